"""Every error the engine raises, cut first by whose fault it is.

    MemoryOSError
    ├── CallerError               the caller's: change the call
    │   ├── InvalidInput          a parameter is unusable (also a ValueError)
    │   ├── NotFound              no such page or entry (also a LookupError)
    │   ├── LimitReached          a limit of the settings forbids to store more
    │   └── ClosedError           the system was closed (also a RuntimeError)
    ├── StoreError                the store's: the data could not be read or written
    │   ├── StoreLocked           another process owns the path
    │   ├── EmbedderMismatch      the store was made with another embedder
    │   ├── CorruptRecord         a stored record cannot be decoded
    │   └── ImportCutOff          a memory is only half imported
    └── ModelError                the model's: it did not answer, or not usably
        ├── ChatModelError        the chat model failed
        │   └── ReplyRefused      it declined to answer; asking again will not help
        ├── EmbeddingError        the embedder failed
        └── ConsolidationError    an analyst's answer is unusable; its pages are tried again

A message always says what to do next. No message contains stored text.
"""

from __future__ import annotations


class MemoryOSError(Exception):
    """Root of the tree; catch this to catch whatever the engine raises on purpose."""


class CallerError(MemoryOSError):
    """The call cannot be served as it was made."""


class InvalidInput(CallerError, ValueError):
    """A parameter is unusable. Raised before any state changes.

    Args:
        parameter: name of the parameter as the caller wrote it.
        problem: what is wrong with the value, without quoting the value.
        fix: what to pass instead.
    """

    def __init__(self, parameter: str, problem: str, fix: str) -> None:
        super().__init__(f"{parameter} {problem}. {fix}")
        self.parameter = parameter
        self.problem = problem
        self.fix = fix

    def under(self, parameter: str) -> InvalidInput:
        """Return the same error for a parameter that the caller knows by another name."""
        return InvalidInput(parameter, self.problem, self.fix)


class NotFound(CallerError, LookupError):
    """No record with this id belongs to this user."""

    def __init__(self, record_id: str) -> None:
        super().__init__(
            f"no page or knowledge entry {record_id!r} belongs to this user; "
            "memory.pages() and memory.knowledge() list what there is"
        )
        self.record_id = record_id


class LimitReached(CallerError):
    """A limit of MemorySettings forbids to store more for this user. Of the page concerned nothing was stored.

    Args:
        setting: name of the limit.
        limit: what it is set to.
        room: pages that may still be stored.
        stored: pages of a history that were stored before the one that was refused.
    """

    def __init__(self, setting: str, limit: int, *, room: int = 0, stored: int | None = None) -> None:
        done = "nothing was stored" if stored is None else f"the {stored:,} turns before were stored, the rest were not"
        super().__init__(
            f"this user may have {limit:,} pages, with room for {room:,} more; {done}. Delete some with "
            "memory.forget(...), forget_session() or forget_between(...), all with purge(), or raise "
            f"MemorySettings({setting}=...)"
        )
        self.setting = setting
        self.limit = limit
        self.room = room
        self.stored = stored or 0

    def after(self, stored: int) -> LimitReached:
        """Return the same error of a history of which so many turns were stored."""
        return LimitReached(self.setting, self.limit, room=0, stored=stored)


class ClosedError(CallerError, RuntimeError):
    """The MemoryOS system behind this call was closed."""

    def __init__(self) -> None:
        super().__init__("this MemoryOS is closed; open a new one with MemoryOS(path=...)")


class StoreError(MemoryOSError):
    """The store could not be read or written. Nothing was reported as done."""


class StoreLocked(StoreError):
    """Another process owns the path. Embedded Chroma is unsafe across processes.

    Args:
        problem: what is open, and where.
        fix: how to share it or have it back.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem}. {fix}")
        self.problem = problem
        self.fix = fix


class EmbedderMismatch(StoreError):
    """The collection holds vectors of another embedder than the one given."""


class CorruptRecord(StoreError):
    """A stored record does not decode; it was left untouched."""


class ImportCutOff(StoreError):
    """A memory is only half imported, so it can neither be read nor written. Importing the same file finishes it."""

    def __init__(self) -> None:
        super().__init__(
            "this user's memory is not whole: its import is under way elsewhere or was cut off; "
            "import the same file again, which finishes it, or purge the user"
        )


class ModelError(MemoryOSError):
    """A model did not answer, or not usably. Nothing it said was stored."""


class ChatModelError(ModelError):
    """The chat model failed or refused.

    Args:
        message: what happened, without a word of prompt or reply.
        retry_after: seconds the service asked to wait before the next call.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ReplyRefused(ChatModelError):
    """The model, or the filter of its service, declined to answer this request."""


class EmbeddingError(ModelError):
    """The embedder failed or returned vectors of the wrong shape."""


class ConsolidationError(ModelError):
    """An analyst's answer is unusable; the pages concerned are tried again."""


UNUSABLE = (ConsolidationError, ReplyRefused)
"""A model answered, and was paid, but what it said is no use."""
