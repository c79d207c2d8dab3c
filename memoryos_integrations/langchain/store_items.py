"""The items of a store as one memory holds them: pages that carry an item, and long-term knowledge.

An item that is put is a page of its own, so it is kept verbatim and found like anything that
was said. The item itself stands in the page's metadata; the page's text is what it says.
Knows one memory; whose it is, and what LangGraph may ask, is decided elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from langgraph.store.base import Item, PutOp, SearchItem, get_text_at_path

from memoryos_engine import DialoguePage, InvalidInput, KnowledgeEntry, KnowledgeKind, NotFound, UserMemory
from memoryos_engine.conversing import turn_content
from memoryos_engine.intake import Content
from memoryos_engine.records import stable_id
from memoryos_integrations.langchain.store_ops import Namespace

ITEM = "langgraph_item"
"""Under this name a page's metadata holds the item that was put."""
SESSION = "langgraph-store"
"""The session whose pages items are, and whose STM is therefore in no conversation."""

_UNNAMED = frozenset(("content", "text", "memory"))
"""Fields that say nothing about what stands in them."""

Place = tuple[Namespace, str]
"""Namespace and key: of one user, one item."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredItem:
    """An item and the record that holds it."""

    record_id: str
    """Of a page or a knowledge entry."""
    place: Place
    value: Mapping[str, Any]
    """The record's own; what leaves the store is a copy."""
    created_at: datetime
    updated_at: datetime
    order: int
    """Tells items of one moment apart."""
    is_page: bool
    """Whether the record is a page."""
    segment_id: str | None = None
    until_replaced: tuple[str, ...]
    """The records that go once another holds the item: what a fact took the place of, lest it come back, and itself."""

    def as_item(self) -> Item:
        """Return it as LangGraph's."""
        return Item(**self._parts())

    def as_found(self, score: float | None) -> SearchItem:
        """Return it as LangGraph's, found by a search."""
        return SearchItem(**self._parts(), score=score)

    def _parts(self) -> dict[str, Any]:
        namespace, key = self.place
        times = {"created_at": self.created_at, "updated_at": self.updated_at}
        return {"namespace": namespace, "key": key, "value": json.loads(json.dumps(self.value)), **times}


class Items:
    """The items of one memory as they are now.

    Args:
        memory: whose.
        knowledge: the namespace in which facts and profile are items; None for none.

    Raises:
        StoreError: the memory cannot be read.
    """

    def __init__(self, memory: UserMemory, knowledge: Namespace | None) -> None:
        pages = [item for page in memory.pages() if (item := _of_page(page)) is not None]
        carried = {item.record_id for item in pages}
        entries = () if knowledge is None else _of_knowledge(memory.knowledge(history=True), knowledge, carried)
        self._versions: dict[Place, list[StoredItem]] = {}
        for item in (*entries, *pages):
            self._versions.setdefault(item.place, []).append(item)

    def __iter__(self) -> Iterator[StoredItem]:
        """Yield each item as it was put last."""
        return (versions[-1] for versions in self._versions.values())

    def at(self, place: Place) -> StoredItem | None:
        """Return the item of a place as it was put last."""
        versions = self._versions.get(place)
        return versions[-1] if versions else None

    def replaced(self) -> list[str]:
        """Return the records of items that a newer one holds by now, oldest first."""
        old = (item for versions in self._versions.values() for item in versions[:-1])
        return [record_id for item in old for record_id in item.until_replaced]

    def holding(self, places: Iterable[Place]) -> list[str]:
        """Return the records that hold what is at these places, the newest of each last."""
        return [item.record_id for place in places for item in self._versions.get(place, ())]


def page_content(memory: UserMemory, op: PutOp, known: StoredItem | None) -> Content:
    """Return the page that shall hold an item.

    Args:
        memory: whose; its session is that of the store.
        op: what is put, with a value.
        known: the item it replaces, if any.

    Raises:
        InvalidInput: the value cannot be stored.
    """
    now = memory.system.clock()
    since = now if known is None else known.created_at
    value = dict(op.value or {})
    kept = {"namespace": list(op.namespace), "key": op.key, "value": value, "created_at": since.isoformat()}
    try:
        text = _text(value, op.index or None) or f"item {op.key}"
        # On the agent's side: nothing that an agent notes is something the user said.
        return turn_content(memory, memory.system, "", text, now, {ITEM: kept})
    except InvalidInput as error:
        raise error.under("value") from error
    except RecursionError as error:
        raise InvalidInput("value", "is nested too deeply", "Pass fewer levels.") from error


def forget(memory: UserMemory, record_ids: Iterable[str]) -> None:
    """Forget records that hold items, where nobody else did already."""
    for record_id in record_ids:
        try:
            memory.forget(record_id)
        except NotFound:
            continue


def _of_page(page: DialoguePage) -> StoredItem | None:
    kept = page.metadata.get(ITEM)
    if not isinstance(kept, Mapping):
        return None
    namespace, key, value = (kept.get(name) for name in ("namespace", "key", "value"))
    since = _moment(kept.get("created_at"))
    if not (isinstance(namespace, list) and isinstance(key, str) and isinstance(value, dict) and since):
        return None
    return StoredItem(
        record_id=page.id,
        place=(tuple(map(str, namespace)), key),
        value=value,
        created_at=since,
        updated_at=page.timestamp,
        order=page.sequence,
        is_page=True,
        segment_id=page.segment_id,
        until_replaced=(page.id,),
    )


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _of_knowledge(entries: list[KnowledgeEntry], namespace: Namespace, carried: set[str]) -> Iterator[StoredItem]:
    """Yield what is known now as items; what was read out of items alone is there verbatim already."""
    attributes: dict[tuple[KnowledgeKind, str], list[str]] = {}
    for entry in entries:
        if entry.attribute:
            attributes.setdefault((entry.kind, entry.attribute), []).append(entry.id)
    for entry in entries:
        if entry.valid_until is None and not (entry.source_page_ids and carried.issuperset(entry.source_page_ids)):
            earlier = attributes.get((entry.kind, entry.attribute), ())
            yield StoredItem(
                record_id=entry.id,
                place=(namespace, _key(entry)),
                value={"content": _saying(entry), "kind": entry.kind.value},
                created_at=entry.said_at,
                updated_at=entry.said_at,
                order=entry.order,
                is_page=False,
                until_replaced=(*(key for key in earlier if key != entry.id), entry.id),
            )


def _key(entry: KnowledgeEntry) -> str:
    """Return the key of an entry: a UUID, which is all that LangMem's tools take.

    A fact that is forgotten and said anew later has another.
    """
    _, digest = stable_id("key", entry.id, entry.said_at.isoformat()).split("_")
    return str(UUID(hex=digest))


def _saying(entry: KnowledgeEntry) -> str:
    if entry.kind is KnowledgeKind.USER_PROFILE:
        return f"{entry.attribute}: {entry.text}"
    if entry.kind is KnowledgeKind.USER_TRAIT:
        return f"{entry.attribute}: {entry.level} ({entry.text})"
    return entry.text


def _text(value: Mapping[str, Any], paths: list[str] | None) -> str:
    """Return what an item says in the fields that its index names, else in all of them."""
    lines = _lines(value, "") if paths is None else (text for path in paths for text in get_text_at_path(value, path))
    return "\n".join(line for line in lines if line.strip())


def _lines(value: object, name: str) -> Iterator[str]:
    """Yield a value as lines that a reader understands, each with the names that lead to it."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _lines(each, name if key in _UNNAMED else f"{name} {key}".strip())
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _lines(each, name)
    elif value is not None and value != "":
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        yield f"{name}: {text}" if name else text
