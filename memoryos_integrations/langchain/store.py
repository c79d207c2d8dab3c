"""A LangGraph store over a user's memory: what agents and LangMem's tools keep is remembered like all else.

Decides whose memory an operation is about and in which order operations are done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from langgraph.store.base import BaseStore, GetOp, ListNamespacesOp, Op, PutOp, Result, SearchOp

from memoryos_engine import InvalidInput, MemoryOS, Owner, UserMemory
from memoryos_engine.intake import Content
from memoryos_integrations.addressing import Address, named_id
from memoryos_integrations.langchain.run_scope import sources
from memoryos_integrations.langchain.store_items import SESSION, Items, Place, forget, page_content
from memoryos_integrations.langchain.store_ops import Namespace, checked_op, is_label, listed, namespace_of
from memoryos_integrations.langchain.store_search import search

LANGMEM_USER = "langgraph_user_id"
"""What LangMem calls a user's id in a run's config."""
KNOWLEDGE_NAMESPACE = ("memories", "{user_id}")
"""Where LangMem's tools look by default."""


class MemoryOSStore(BaseStore):
    """A LangGraph store whose items are part of a user's memory.

    An item that is put is a page: kept verbatim until it is deleted, and found by whatever else
    searches this memory. What the engine itself learnt, facts and profile, can be read as items too:
    value {"content": ..., "kind": ...}, key a UUID. Deleting such an item forgets the fact; putting
    under its key replaces the fact, with those it followed, by the item.

    A search with a query ranks as the engine does, best first with scores; one without lists the
    newest first. `index` may name the fields by which an item is found (by default all of them);
    `index=False` and `ttl` are errors, because neither can be had. Operations of one batch read
    before they write; of several puts under one key the last counts.

    Whose memory an operation is about: with `memory` always that one, whatever the namespace. With
    `system`, the user that the run names (`user_id`, or LangMem's `langgraph_user_id`, in its config
    or runtime context). Outside a run, and in async code on Python 3.10, where LangGraph hides the run,
    nothing names one: then `user_label` says which label of the namespace does. An operation of which
    nothing says whose memory it is about is an error; there is no user to stand in, because a run that
    is hidden would get that user's memory.

    Args:
        memory: one user's memory.
        system: where to look up the memory of the user that each operation is about.
        assistant_id: with `system`, for runs that name none.
        user_label: with `system`, the place of the label in each namespace that is the user's id, from 0.
            An operation within a run that names another user is an error.
        knowledge: the namespace in which facts and profile are items, "{user_id}" being the user's id;
            None for nowhere. They are left out where that id cannot be a label, having a period. LangMem's
            memory manager edits only memories of its own schema: give it a namespace without facts.

    Raises:
        InvalidInput: not exactly one of memory and system is given, `user_label` or `knowledge` is
            unusable, or the system deletes pages that leave mid-term memory, and so would delete items.
    """

    supports_ttl = False

    def __init__(
        self,
        *,
        memory: UserMemory | None = None,
        system: MemoryOS | None = None,
        assistant_id: str | None = None,
        user_label: int | None = None,
        knowledge: tuple[str, ...] | None = KNOWLEDGE_NAMESPACE,
    ) -> None:
        self._address = Address(memory=memory, system=system, assistant_id=assistant_id)
        _require_lasting(memory.system if memory is not None else system)
        self._user_label = _checked_label(user_label, pinned=self._address.pinned)
        self._knowledge = _checked_knowledge(knowledge)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do operations and return their results in order.

        Raises:
            InvalidInput: one of them cannot be served, or names no user; none was done.
            InvalidNamespaceError: a namespace is none; none was done.
            EmbeddingError, StoreError: not all was done; doing it again is safe.
        """
        checked = [checked_op(op) for op in ops]
        asked = [(self._memory(namespace_of(op)), op) for op in checked]
        snapshots: dict[Owner, Items] = {}
        for memory, op in asked:
            if not isinstance(op, SearchOp) and memory.owner not in snapshots:
                snapshots[memory.owner] = self._items(memory)
        writings = _writings(asked, snapshots)
        results = [self._result(memory, op, snapshots) for memory, op in asked]
        for writing in writings:
            self._carry_out(writing)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do what `batch` does, in a thread."""
        return await asyncio.to_thread(self.batch, list(ops))

    # -- reading and writing ------------------------------------------------------------

    def _result(self, memory: UserMemory, op: Op, snapshots: Mapping[Owner, Items]) -> Result:
        if isinstance(op, SearchOp):
            return search(memory, op, self._knowledge_namespace(memory))
        if isinstance(op, GetOp):
            item = snapshots[memory.owner].at((op.namespace, op.key))
            return None if item is None else item.as_item()
        if isinstance(op, ListNamespacesOp):
            return listed((item.place[0] for item in snapshots[memory.owner]), op)
        return None

    def _carry_out(self, writing: _Writing) -> None:
        """Add first, then forget what that replaces: a crash in between leaves the newest in force."""
        memory = writing.memory
        if writing.contents:
            memory.add_contents(writing.contents)
        after = self._items(memory)
        forget(memory, [*after.replaced(), *after.holding(writing.deleted)])

    def _items(self, memory: UserMemory) -> Items:
        return Items(memory, self._knowledge_namespace(memory))

    def _knowledge_namespace(self, memory: UserMemory) -> Namespace | None:
        names = {"{user_id}": memory.owner.user_id}
        namespace = None if self._knowledge is None else tuple(names.get(label, label) for label in self._knowledge)
        return namespace if namespace is not None and all(map(is_label, namespace)) else None

    # -- whose memory -------------------------------------------------------------------

    def _memory(self, namespace: Namespace) -> UserMemory:
        if self._address.pinned:
            return self._address.resolve().in_session(SESSION)
        run = list(_run())
        named = [user for source in run if (user := named_id("user_id", source)) is not None]
        user = self._labelled(namespace, named) or next(iter(named), None)
        if user is None:
            fix = 'Name one in the run, config={"configurable": {"user_id": ...}}, or pass user_label=.'
            raise InvalidInput("user_id", "is missing: nothing says whose memory this operation is about", fix)
        return self._address.resolve({"user_id": user}, *run).in_session(SESSION)

    def _labelled(self, namespace: Namespace, named: Collection[str]) -> str | None:
        """Return the user that the namespace names, if it does; where a run names users too, one of them."""
        if self._user_label is None or self._user_label >= len(namespace):
            return None
        user = namespace[self._user_label]
        if named and user not in named:
            fix = "Let the namespace name the run's user, or make the call outside the run."
            raise InvalidInput("namespace", "names another user than the run does", fix)
        return user


@dataclass(frozen=True, kw_only=True, slots=True)
class _Writing:
    """What a batch does to one memory, checked and ready to be done."""

    memory: UserMemory
    contents: list[Content] = field(default_factory=list)
    deleted: list[Place] = field(default_factory=list)


def _writings(asked: Iterable[tuple[UserMemory, Op]], snapshots: Mapping[Owner, Items]) -> list[_Writing]:
    last = {(memory.owner, op.namespace, op.key): (memory, op) for memory, op in asked if isinstance(op, PutOp)}
    found: dict[Owner, _Writing] = {}
    for memory, op in last.values():
        writing = found.setdefault(memory.owner, _Writing(memory=memory))
        place = (op.namespace, op.key)
        if op.value is None:
            writing.deleted.append(place)
        else:
            writing.contents.append(page_content(memory, op, snapshots[memory.owner].at(place)))
    return list(found.values())


def _run() -> Iterator[object]:
    """Yield what of the run around a call may name its user, the surest first."""
    for source in sources():
        yield source
        if isinstance(source, Mapping):
            yield {"user_id": source.get(LANGMEM_USER)}


def _require_lasting(system: MemoryOS | None) -> None:
    if system is not None and system.settings.eviction == "delete":
        fix = 'Use MemorySettings(eviction="archive"), which is the default.'
        raise InvalidInput("system", "deletes what leaves mid-term memory, and with it items of the store", fix)


def _checked_label(place: Any, *, pinned: bool) -> int | None:
    if place is None:
        return None
    if pinned:
        fix = "Leave user_label out, or pass system= instead of memory=."
        raise InvalidInput("user_label", "is given beside a memory, whose user is known", fix)
    if isinstance(place, bool) or not isinstance(place, int) or place < 0:
        raise InvalidInput("user_label", "is no whole number of at least 0", "Pass 1 if namespaces are (name, user).")
    return place


def _checked_knowledge(namespace: Any) -> Namespace | None:
    if namespace is None:
        return None
    if not isinstance(namespace, tuple) or not namespace or not all(map(is_label, namespace)):
        fix = 'Pass a tuple of labels such as ("memories", "{user_id}"), or None.'
        raise InvalidInput("knowledge", "is no namespace", fix)
    return namespace
