"""Puts a copy of a collection in its place, so that whoever is killed meanwhile loses nothing.

    collection   "memoryos"           what is served
    copy         "memoryos.reindex"   under construction; says so in its metadata until it is all there is
    replaced     "memoryos.replaced"  only while the two change places

The copy is whole before the first step. Once the old collection has given up its name the
next opening goes on with the rest; before that, it finds the old one as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from memoryos_engine.errors import StoreError

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

Step = Callable[[], object]
BUILDING = "memoryos_building"
"""Key in the metadata of a collection that is a copy, or has just taken the place of what it was copied from."""


def copy_name(name: str) -> str:
    """Return what the copy of a collection is called."""
    return f"{name}.reindex"


def replaced_name(name: str) -> str:
    """Return what a collection is called while a copy takes its place."""
    return f"{name}.replaced"


def switch_steps(
    client: ClientAPI, name: str, *, before_deleting: Callable[[], object]
) -> Sequence[Callable[[], None]]:
    """Return what is done, in order, to have the copy of a collection take its place.

    Args:
        client: of the store.
        name: of the collection; its copy is complete.
        before_deleting: called while the old collection is there for the last time.
    """

    def put_away() -> None:
        _required(client, name).modify(name=replaced_name(name))

    def put_in_place() -> None:
        _required(client, copy_name(name)).modify(name=name)

    def delete_old() -> None:
        before_deleting()
        drop(client, replaced_name(name))

    return put_away, put_in_place, delete_old, lambda: _unmark(_required(client, name))


def complete_switch(
    client: ClientAPI, name: str, *, before_deleting: Callable[[Collection, Collection], object]
) -> None:
    """Do what is left of a switch that was cut off; nothing if none was.

    Args:
        client: of the store.
        name: of the collection.
        before_deleting: is given the old collection and the new one while both are there for the last time: who had
            the old one open may have written to it.

    Raises:
        Exception: Chroma's own, as it comes.
    """
    current = find(client, name)
    if current is None:
        try:
            _give_name(client, name)
        except Exception:
            if find(client, name) is None:  # else another process did it
                raise
        current = find(client, name)
    if current is not None and BUILDING in (current.metadata or {}):
        old = find(client, replaced_name(name))
        if old is not None:
            before_deleting(old, current)
        drop(client, replaced_name(name))
        _unmark(current)


def find(client: ClientAPI, name: str) -> Collection | None:
    """Return a collection by its name, or None if there is none."""
    try:
        return client.get_collection(name, embedding_function=None)
    except Exception as error:
        if type(error).__name__ == "NotFoundError":
            return None
        raise


def drop(client: ClientAPI, name: str) -> None:
    """Delete a collection if it is there."""
    if find(client, name) is not None:
        client.delete_collection(name)


def _give_name(client: ClientAPI, name: str) -> None:
    """Have the copy take the name that the old collection gave up; where somebody deleted the copy, the old one."""
    old = find(client, replaced_name(name))
    if old is not None:
        (find(client, copy_name(name)) or old).modify(name=name)


def _unmark(collection: Collection) -> None:
    collection.modify(metadata={key: value for key, value in collection.metadata.items() if key != BUILDING})


def _required(client: ClientAPI, name: str) -> Collection:
    found = find(client, name)
    if found is None:
        raise StoreError(f"the collection {name!r} is gone; open the store again, which completes what is left")
    return found
