"""How the collection is reached: at once where it is in this process, again and again where a server may be away.

A server that is restarted or a network that fails is waited for; what was asked is asked
again, and so is a read that met a deletion, in this process too. Reads may be, deletions
may be, and so may an upsert of the same rows, once it is known that nobody wrote meanwhile
what it would put back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from memoryos_engine.errors import StoreError

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two tries; doubled from the first to the longest."""
_FLEETING = "Error finding id"
"""What Chroma says of a read that meets a deletion, served or not; it finds everything a moment later."""
MOMENT = 5.0
"""Seconds for which that is believed where there is no server to wait for."""
_AWAY = frozenset({429, 502, 503, 504})
"""Statuses by which a server or a proxy before it asks to be asked again."""


class Connection:
    """A collection, and how to find it again.

    Args:
        collection: where rows are.
        found_again: returns the collection anew once its server is back; None where nothing can be away.
        patience: seconds for which a server that does not answer is asked again.
    """

    def __init__(
        self, collection: Collection, *, found_again: Callable[[], Collection] | None = None, patience: float = 0.0
    ) -> None:
        self.collection = collection
        self._found_again = found_again
        self._patience = patience

    def ask(self, call: Callable[[Any], T], *, done: Callable[[], bool] | None = None) -> T | None:
        """Return what `call` returns for the collection, tried again while the server is away.

        Args:
            call: asks something of the collection.
            done: says, before a repetition, whether the try before did it and only its reply was lost; then
                None is returned.

        Raises:
            StoreError: the server stayed away for all of `patience`.
            Exception: what Chroma raises for any other reason, as it is.
        """
        served = self._found_again is not None
        pauses, deadline = _pauses(), time.monotonic() + (self._patience if served else MOMENT)
        tried = False
        while True:
            try:
                if tried:
                    self._find_again()
                    if done is not None and done():
                        return None
                tried = True
                return call(self.collection)
            except Exception as error:  # which of Chroma's many errors mean "not now" is decided in one place
                late = time.monotonic() > deadline
                if not (is_away(error) if served else is_fleeting(error) and not late):
                    raise
                if late:
                    raise self._gone(error) from error
            time.sleep(next(pauses))

    def _find_again(self) -> None:
        if self._found_again is not None:
            self.collection = self._found_again()

    def _gone(self, error: Exception) -> StoreError:
        return StoreError(
            f"the store's server did not answer for {self._patience:g} seconds ({type(error).__name__}); "
            "start it again, or raise MemorySettings(store_patience=...)"
        )


class ServerAway(StoreError):
    """A server that is expected back does not answer now."""


def is_fleeting(error: BaseException) -> bool:
    """Say whether a read met a deletion, and would not if it were asked again."""
    from chromadb.errors import InternalError

    return isinstance(error, InternalError) and _FLEETING in str(error)


def is_away(error: BaseException) -> bool:
    """Say whether an error means that the server, or the way to it, is not there now."""
    import httpx
    from chromadb.errors import RateLimitError

    if isinstance(error, (httpx.TransportError, RateLimitError, ServerAway)) or is_fleeting(error):
        return True
    if isinstance(error, StoreError) and error.__cause__ is not None:
        return is_away(error.__cause__)
    # Chroma raises a bare Exception for an answer that is not its own, such as a proxy's; the status is in its context.
    cause = error.__context__
    return isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code in _AWAY


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(LONGEST_PAUSE, 2 * pause)
