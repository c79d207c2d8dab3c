"""What can be set, checked once at construction. Defaults are the paper's (§4.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from memoryos_engine.errors import InvalidInput
from memoryos_engine.heat import HeatWeights

RetrievalMode = Literal["hierarchical", "two_stage"]
EvictionPolicy = Literal["archive", "delete"]

_COLLECTION_NAME = re.compile(r"(?!.*\.\.)[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")

ASSISTANT, SESSION = "assistant", "default"
"""Ids of whoever names none."""

_COUNTS = (
    "short_term_capacity",
    "short_term_sessions",
    "mid_term_capacity",
    "knowledge_capacity",
    "top_segments",
    "knowledge_top_k",
    "resident_bytes",
    "max_turn_bytes",
    "max_pending_jobs",
    "workers",
    "model_prompt_tokens",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemorySettings:
    """Capacities, thresholds and limits of every memory of one system.

    Raises:
        InvalidInput: a value is out of its range; the message names the parameter.
    """

    short_term_capacity: int = 7
    """Pages of a session's queue; its oldest hand over when the queue reaches this."""
    short_term_sessions: int = 10
    """Sessions of a user that keep an STM; the pages of one silent for longer hand over whole."""
    mid_term_capacity: int = 200
    """Segments of mid-term memory; above it the coldest leaves."""
    knowledge_capacity: int = 100
    """Current entries of each knowledge queue."""
    similarity_threshold: float = 0.6
    """theta: a page joins its best segment when F exceeds this (Eq. 2); from -1 to 2."""
    heat_threshold: float = 5.0
    """tau: a segment is promoted when its heat exceeds this."""
    heat_weights: HeatWeights = field(default_factory=HeatWeights)
    top_segments: int = 5
    """m: segments searched by two-stage retrieval."""
    knowledge_top_k: int = 10
    """Entries of each knowledge queue that a retrieval returns."""
    retrieval: RetrievalMode = "hierarchical"
    """"two_stage" is the paper's own retrieval, for comparison."""
    eviction: EvictionPolicy = "archive"
    """What happens to a segment that leaves: kept for deep search, or deleted with its pages."""
    assistant_profile: str = ""
    """The assistant's fixed role (paper §3.2), given by the developer, part of every context."""
    audit: bool = True
    """Whether changes to knowledge entries are kept for `memory.audit()`: one row of ids, in the store only, for each
    change of state that changes any."""
    collection_name: str = "memoryos"
    resident_bytes: int = 512 * 1024 * 1024
    """Bytes of memory that resident users may take together; the least recently used leave first and are read again
    when they are used. For one user alone above it vectors get coarser, then Chroma searches: slower, not wrong."""
    max_turn_bytes: int = 1024 * 1024
    """UTF-8 bytes of one page, both sides together; a longer one is refused with InvalidInput."""
    max_pages: int | None = None
    """Pages a user may have with one assistant; any number if None. A page beyond it is refused with LimitReached,
    before a model is asked for an answer; a history stops there and says how many of its turns were stored; an exported
    memory that has more is refused whole."""
    max_pending_jobs: int = 10_000
    """Users whose background work may wait in memory. Beyond it the job that is due last is dropped, not the work: what
    is due is derived from the store and taken up when that user's memory is used next, in this process or another.
    As many users' visits may wait; beyond it those that have waited longest are not counted."""
    store_patience: float = 15.0
    """Seconds for which a Chroma server that does not answer is asked again, from 0 to 3,600: while it is restarted,
    calls wait and nothing is lost. Without effect on an embedded store."""
    workers: int = 2
    """Threads that consolidate and promote in the background."""
    consolidation_delay: float = 1.0
    """Seconds a user must be quiet before background work begins."""
    model_delay: float = 300.0
    """Seconds a user must be quiet before a chat model is asked about less than a full batch of 10 pages.
    Pages that wait are found by every search."""
    model_prompt_tokens: int = 4000
    """Most tokens of one request for consolidation or promotion, at least 1,000."""

    def __post_init__(self) -> None:
        for name in _COUNTS:
            require_count(name, getattr(self, name))
        if self.max_pages is not None:
            require_count("max_pages", self.max_pages)
        _require_number("similarity_threshold", self.similarity_threshold, -1.0, 2.0)
        _require_number("heat_threshold", self.heat_threshold, 0.0, float("inf"))
        _require_number("consolidation_delay", self.consolidation_delay, 0.0, 3600.0)
        _require_number("store_patience", self.store_patience, 0.0, 3600.0)
        _require_number("model_prompt_tokens", self.model_prompt_tokens, 1000, float("inf"))
        _require_number("model_delay", self.model_delay, 0.0, 86_400.0)
        _require_weights(self.heat_weights)
        _require_flag("audit", self.audit)
        _require_choice("retrieval", self.retrieval, get_args(RetrievalMode))
        _require_choice("eviction", self.eviction, get_args(EvictionPolicy))
        require_text("assistant_profile", self.assistant_profile)
        if not _COLLECTION_NAME.fullmatch(require_text("collection_name", self.collection_name)):
            fix = "Pass 3 to 512 of the characters a-z A-Z 0-9 . _ - that begin and end with a letter or digit."
            raise InvalidInput("collection_name", "is no name that Chroma takes", fix)


def require_text(parameter: str, value: object) -> str:
    """Return `value` if it is text that can be stored; raise InvalidInput if not."""
    if not isinstance(value, str):
        raise InvalidInput(parameter, f"is a {type(value).__name__}, not text", "Pass a str.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        fix = 'Clean it first, for example with value.encode("utf-8", "replace").decode("utf-8").'
        raise InvalidInput(parameter, "contains a lone surrogate, which is not valid Unicode", fix) from error
    return value


def require_id(parameter: str, value: object) -> str:
    """Return `value` if it can be an id: any text but the empty one."""
    text = require_text(parameter, value)
    if not text:
        raise InvalidInput(parameter, "is empty", "Pass any non-empty text; ids are opaque and never parsed.")
    return text


def require_count(parameter: str, value: object) -> int:
    """Return `value` if it is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(parameter, f"is a {type(value).__name__}, not a whole number", "Pass an int of 1 or more.")
    if value < 1:
        raise InvalidInput(parameter, f"is {value}", "Pass an int of 1 or more.")
    return value


def _require_number(name: str, value: object, low: float, high: float) -> None:
    fix = f"Pass a number from {low} to {high}."
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(name, f"is a {type(value).__name__}, not a number", fix)
    if not low <= value <= high:
        raise InvalidInput(name, f"is {value}", fix)


def _require_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidInput(name, f"is a {type(value).__name__}", "Pass True or False.")


def _require_weights(weights: object) -> None:
    if not isinstance(weights, HeatWeights):
        raise InvalidInput("heat_weights", f"is a {type(weights).__name__}", "Pass HeatWeights(...).")
    for part in fields(weights):
        low = 1e-9 if part.name == "recency_constant" else 0.0
        _require_number(f"heat_weights.{part.name}", getattr(weights, part.name), low, 1e300)


def _require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidInput(name, f"is {value!r}", f"Choose one of {', '.join(choices)}.")
