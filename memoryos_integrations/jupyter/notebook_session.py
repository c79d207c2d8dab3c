"""Whose memory a notebook uses: what was chosen, and the store that is open for it.

What was chosen stays in force until something else is, also while the store is given back. A memory of the
notebook's own is borrowed: it is used, and never closed from here.
"""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

from IPython.core.interactiveshell import InteractiveShell

from memoryos_engine import InvalidInput, MemoryOS, Memoryos, StoreLocked, UserMemory
from memoryos_engine.settings import ASSISTANT, SESSION, require_id
from memoryos_engine.system import DEFAULT_PATH
from memoryos_integrations.jupyter.brief_errors import MagicUsageError

NO_USER = "no user is chosen yet. Say whose memory this is: %memoryos user NAME"
_SHARING = "Close it there (%memoryos close, or shut down that kernel), or take another one: %memoryos path DIR"
_KEY = (
    'Set OPENAI_API_KEY before, for example os.environ["OPENAI_API_KEY"] = getpass.getpass(), '
    "or open the memory with another model yourself and take it: %memoryos use VARIABLE"
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Everything that can be chosen."""

    user: str | None = None
    assistant: str = ASSISTANT
    session: str = SESSION
    path: str = DEFAULT_PATH
    model: str | None = None
    borrowed: MemoryOS | None = None
    """A system of the notebook's, in place of path and model."""
    variable: str = ""
    """What the notebook calls it."""


class NotebookSession:
    """The memory of one notebook; opened when it is used, given back by `close` and at the end of the process."""

    def __init__(self) -> None:
        self._choice = Choice()
        self._opened: MemoryOS | None = None
        self._lock = RLock()

    @property
    def choice(self) -> Choice:
        """What is in force."""
        return self._choice

    def choose(self, values: Mapping[str, str], variables: Mapping[str, Any]) -> None:
        """Put what was said in force, all of it or nothing; a store that is chosen no more is given back.

        Args:
            values: as `MemoryWords.values`.
            variables: of the notebook.

        Raises:
            MagicUsageError: the words cannot be used together, or there is no such memory.
            InvalidInput: the engine cannot use a value.
            StoreError: the store cannot be opened, or the one before did not close well.
        """
        with self._lock:
            chosen = _chosen(self._choice, values, variables)
            if chosen.borrowed is not None and chosen.borrowed is self._opened:  # it was opened here
                chosen = replace(chosen, borrowed=None, variable="")
            if chosen.user is None:
                self._choice = chosen
                return
            before = self._opened
            kept = before if before is not None and _same_store(chosen, self._choice) else None
            self._choice, self._opened = self._in_use(chosen, kept)
            if before is not None and before is not self._opened:
                before.close()

    def memory(self) -> UserMemory:
        """Return the memory in use; its store is opened if it is not.

        Raises:
            MagicUsageError: no user is chosen.
            ClosedError: it was borrowed and is closed.
            StoreError: the store cannot be opened.
        """
        with self._lock:
            self._choice, self._opened = self._in_use(self._choice, self._opened)
            system = self._choice.borrowed or self._opened
            if system is None or self._choice.user is None:
                raise MagicUsageError(NO_USER)
            return system.memory(self._choice.user, self._choice.assistant, self._choice.session)

    def close(self) -> None:
        """Give the store back if one was opened here; what was chosen stays, and the next use opens it again.

        Raises:
            StoreError: visits that waited could not be recorded; the store was given back all the same.
        """
        with self._lock:
            opened, self._opened = self._opened, None
            atexit.unregister(self.close)
            if opened is not None:
                opened.close()

    def _in_use(self, choice: Choice, opened: MemoryOS | None) -> tuple[Choice, MemoryOS | None]:
        """Return the choice, checked, and the system that was opened for it."""
        if choice.user is None:
            raise MagicUsageError(NO_USER)
        if choice.borrowed is not None:
            choice.borrowed.require_open()
            return choice, None
        placed = replace(choice, path=_absolute(choice.path))
        if opened is None or opened.closed:
            opened = _open(placed)
            atexit.unregister(self.close)
            atexit.register(self.close)
        return placed, opened


_sessions: WeakKeyDictionary[InteractiveShell, NotebookSession] = WeakKeyDictionary()


def session_of(shell: InteractiveShell) -> NotebookSession:
    """Return the session of a shell: the same one however often the extension is loaded."""
    return _sessions.setdefault(shell, NotebookSession())


def _chosen(now: Choice, values: Mapping[str, str], variables: Mapping[str, Any]) -> Choice:
    names: dict[str, Any] = {
        word: require_id(word, values[word]) for word in ("user", "assistant", "session") if word in values
    }
    place: dict[str, Any] = {word: values[word] for word in ("path", "model") if word in values}
    if "path" in place:
        place["path"] = _absolute(place["path"])
    if "use" in values:
        if place:
            raise MagicUsageError(f"use and {next(iter(place))} cannot be said at once: a variable has its own store.")
        return replace(_borrowed(now, values["use"], variables), **names)
    if now.borrowed is not None and "model" in place and "path" not in place:
        fix = "Open it with llm=..., or say path DIR as well for a store that is opened with this model."
        raise MagicUsageError(f"the memory of {now.variable!r} has a model of its own, or none. {fix}")
    if place.get("model", "").lower() == "none":
        place["model"] = None
    if place:
        place |= {"borrowed": None, "variable": ""}
    return replace(now, **names, **place)


def _borrowed(now: Choice, variable: str, variables: Mapping[str, Any]) -> Choice:
    if variable not in variables:
        raise MagicUsageError(f"there is no variable {variable!r}. Assign it first: {variable} = MemoryOS(...)")
    found = variables[variable]
    memory = found.memory if isinstance(found, Memoryos) else found
    if isinstance(memory, UserMemory):
        owner = memory.owner
        names = {"user": owner.user_id, "assistant": owner.assistant_id, "session": memory.session_id}
        return replace(now, borrowed=memory.system, variable=variable, **names)
    if not isinstance(memory, MemoryOS):
        fix = "Name one that holds a MemoryOS, a UserMemory or a Memoryos."
        raise MagicUsageError(f"the variable {variable!r} holds a {type(found).__name__}. {fix}")
    return replace(now, borrowed=memory, variable=variable)


def _absolute(path: str) -> str:
    """Return what a path means now, wherever %cd goes later."""
    try:
        return str(Path(path).expanduser().absolute())
    except RuntimeError:  # what pathlib raises for the home of nobody
        raise MagicUsageError(f"path {path!r} begins with the home of a user who has none. Write it out.") from None


def _same_store(one: Choice, other: Choice) -> bool:
    def place(choice: Choice) -> tuple[object, ...]:
        return _absolute(choice.path), choice.model, choice.borrowed

    return place(one) == place(other)


def _open(choice: Choice) -> MemoryOS:
    try:
        return MemoryOS(choice.path, llm=choice.model)
    except InvalidInput as error:
        if error.parameter != "llm":
            raise
        raise InvalidInput("model", error.problem, _KEY) from error
    except StoreLocked as error:
        raise StoreLocked(error.problem, _SHARING) from error
