"""What a Chroma client leads to: a directory of this machine, or a server that has to be one we can work with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from memoryos_engine.errors import StoreError
from memoryos_engine.storage.connection import is_away

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

OLDEST = 1
"""Major version of the oldest Chroma that has what is needed: conditions on metadata, atomic upserts, paging."""


def embedded_directory(client: ClientAPI) -> Path | None:
    """Return the directory that a client opened in this process; None if it keeps nothing on this machine's disk."""
    try:
        settings = client.get_settings()
    except Exception as error:
        raise StoreError(f"the client does not say what it leads to ({type(error).__name__}); is it closed?") from error
    return Path(settings.persist_directory).resolve() if settings.is_persistent else None


def require_version(client: ClientAPI) -> None:
    """Refuse a server that cannot do what is asked of it.

    Raises:
        StoreError: it does not answer, or is too old.
    """
    try:
        version = client.get_version()
    except Exception as error:
        how = "see whether its address is right" if is_away(error) else "see whether its key and tenant are right"
        raise StoreError(f"the Chroma server does not say its version ({type(error).__name__}); {how}") from error
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) < OLDEST:
        raise StoreError(f"the Chroma server has version {version[:20]!r}; {OLDEST}.0 or later is needed: upgrade it")
