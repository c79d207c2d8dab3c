"""Whose memory a call is about: one given at construction, or one resolved for each call.

Knows ids and handles, no framework: adapters hand over whatever of theirs may name a user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from memoryos_engine import InvalidInput, MemoryOS, Owner, UserMemory
from memoryos_engine.settings import ASSISTANT, SESSION, require_id

_NAMES = {
    "user_id": ("user_id", "langgraph_user_id"),
    "assistant_id": ("assistant_id",),
    "session_id": ("session_id", "thread_id"),
}
"""Each id with the names hosts have for it."""
ADDRESS_NAMES = ("memory", "system", *_NAMES)
"""What adapters call the parts of an address."""
_NAME_ONE = (
    'Name one for the call, in LangChain with config={"configurable": {"user_id": ...}}, in LlamaIndex '
    'with instrument_tags({"user_id": ...}) around it, or pass user_id= at construction.'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where an adapter finds the memory of a call.

    Args:
        memory: the memory of every call; the ids below must not be given then.
        system: where to look up the memory that each call names.
        user_id: for calls that name no user. Without one such a call is an error: there is no
            user whose memory everybody shares.
        assistant_id: for calls that name none.
        session_id: for calls that name none.

    Raises:
        InvalidInput: not exactly one of memory and system is given, or an id beside memory.
    """

    memory: UserMemory | None = None
    system: MemoryOS | None = None
    user_id: str | None = None
    assistant_id: str | None = None
    session_id: str | None = None

    def __post_init__(self) -> None:
        _require("memory", self.memory, UserMemory, "Pass system.memory(user_id=...).")
        _require("system", self.system, MemoryOS, "Pass MemoryOS(path=...).")
        if (self.memory is None) == (self.system is None):
            fix = "Pass memory= for one user's memory, or system= to serve the user that each call names."
            raise InvalidInput("memory", "and system: exactly one of them is needed", fix)
        if self.memory is not None and any(getattr(self, name) is not None for name in _NAMES):
            fix = "Give the ids to system.memory(...), or pass system= instead of memory=."
            raise InvalidInput("memory", "already says whose it is; ids cannot be given beside it", fix)
        for name in _NAMES:
            if getattr(self, name) is not None:
                require_id(name, _id_text(name, getattr(self, name)))

    @classmethod
    def of(cls, told: object) -> Address:
        """Return the address that an object's attributes or a mapping's values of these names make.

        Raises:
            InvalidInput: as the class does.
        """
        values = told.get if isinstance(told, Mapping) else partial(getattr, told)
        return cls(**{name: values(name, None) for name in ADDRESS_NAMES})

    def handle(self, *sources: object) -> UserMemory:
        """Return what `resolve` does, whether or not the system is closed: what is handed to it can be told so.

        Raises:
            InvalidInput: nobody names a user, or an id is no text.
        """
        if self.memory is not None:
            return self.memory
        assert self.system is not None  # noqa: S101 - checked at construction
        ids = self._ids(*sources)
        owner = Owner(user_id=ids["user_id"], assistant_id=ids.get("assistant_id", ASSISTANT))
        return UserMemory(self.system, owner, session_id=ids.get("session_id", SESSION))

    @property
    def pinned(self) -> bool:
        """Whether every call is about one memory."""
        return self.memory is not None

    def resolve(self, *sources: object) -> UserMemory:
        """Return the memory of a call.

        Args:
            sources: mappings or objects that may have `user_id` or `langgraph_user_id`, `assistant_id`, and
                `session_id` or `thread_id`; the first that names an id wins, then the ids given at construction.

        Raises:
            InvalidInput: nobody names a user, or an id is no text.
            ClosedError: the system was closed.
        """
        if self.memory is not None:
            return self.memory
        assert self.system is not None  # noqa: S101 - checked at construction
        return self.system.memory(**self._ids(*sources))

    def _ids(self, *sources: object) -> dict[str, str]:
        ids = {name: named_id(name, *sources, self) for name in _NAMES}
        if ids["user_id"] is None:
            raise InvalidInput("user_id", "is missing: nothing says whose memory this call is about", _NAME_ONE)
        return {name: require_id(name, value) for name, value in ids.items() if value is not None}


def whose(address: Address) -> str:
    """Return what a short repr says of an address; never a path or a key."""
    if address.memory is not None:
        owner = address.memory.owner
        ids = {"user_id": owner.user_id, "assistant_id": owner.assistant_id, "session_id": address.memory.session_id}
    else:
        ids = {name: getattr(address, name) for name in ("user_id", "assistant_id", "session_id")}
    return ", ".join(f"{name}={value!r}" for name, value in ids.items() if value is not None)


def named_id(name: str, *sources: object) -> str | None:
    """Return the first id that the sources have under `name` or its other names; None if none has.

    Raises:
        InvalidInput: what stands there is no text, whole number or UUID.
    """
    for source in sources:
        for key in _NAMES[name]:
            value = source.get(key) if isinstance(source, Mapping) else getattr(source, key, None)
            if value is not None:
                return _id_text(name, value)
    return None


def _id_text(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{int(value)}"
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        raise InvalidInput(name, f"is a {type(value).__name__}, not text", "Pass a str.")
    return value


def _require(name: str, value: object, kind: type, fix: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise InvalidInput(name, f"is a {type(value).__name__}, not a {kind.__name__}", fix)
