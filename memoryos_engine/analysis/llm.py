"""The analyst that asks a chat model: one call for a batch of pages, one for the hot segments of a batch.

What the model says is only used where it rests on the pages; the rest of a note is made
without it, and a reply of which little is left is no reply. So a model that fails or
babbles leaves the pages as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from memoryos_engine.analysis.base import BatchReading, FoundFact, HotSegment, PendingPage
from memoryos_engine.analysis.extractive import ExtractiveAnalyst
from memoryos_engine.analysis.prompts import consolidation, promotion
from memoryos_engine.analysis.read_facts import FactReader
from memoryos_engine.analysis.read_notes import NoteReader
from memoryos_engine.errors import ChatModelError, InvalidInput, MemoryOSError
from memoryos_engine.llm.base import ChatMessage, ChatModel, OutputSchema, complete_json
from memoryos_engine.prompts import Prompts
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind, Segment
from memoryos_engine.settings import require_count
from memoryos_engine.tokens import TokenCounter, default_counter

MOST_SEGMENTS = 5
"""Known segments shown with a batch."""
MOST_KNOWN = 10
"""Known facts shown with pages to promote: the nearest, beside the fields of the profile."""


class LLMAnalyst:
    """Reads pages with a chat model (see `Analyst`). Stateless and thread-safe.

    Args:
        model: what is asked.
        prompts: what it is told; by default ours.
        max_tokens: what a request may have, system text included.
        counter: tokens of a text; `default_counter()` if None.

    Raises:
        InvalidInput: a system text leaves no room for pages in `max_tokens`.
    """

    name = "llm"
    batch_size = 10
    promotion_size = 20
    eager = False

    def __init__(
        self,
        model: ChatModel,
        *,
        prompts: Prompts | None = None,
        max_tokens: int = 4000,
        counter: TokenCounter | None = None,
    ) -> None:
        self._model = model
        self._prompts = Prompts() if prompts is None else prompts
        self._budget = require_count("max_tokens", max_tokens)
        self._counter = counter
        self._spare = ExtractiveAnalyst()
        for name in ("consolidation", "promotion"):
            if 2 * self._count(getattr(self._prompts, name)) > max_tokens:
                fix = "Pass a shorter text, or a larger MemorySettings(model_prompt_tokens=...)."
                raise InvalidInput(f"prompts.{name}", f"takes more than half of {max_tokens} tokens", fix)

    def consolidate(self, pages: Sequence[PendingPage], segments: Sequence[Segment]) -> BatchReading:
        """Return what the model says of a batch, in one call.

        Raises:
            ChatModelError: the model did not answer.
            ConsolidationError: it answered, but not usably.
        """
        request = consolidation.request(
            pages,
            segments[:MOST_SEGMENTS],
            instruction=self._prompts.consolidation,
            budget=self._budget,
            count=self._count,
        )
        noted, topics = consolidation.read_reply(self._ask(request.messages, consolidation.SCHEMA))
        reader = NoteReader(pages, request.pages, segments[: request.known], spare=self._spare)
        return reader.reading(noted, topics)

    def summarise(self, pages: Sequence[DialoguePage]) -> str:
        """Return a summary made without the model: of a segment it said nothing of, or one that lost a page."""
        return self._spare.summarise(pages)

    def promote(self, hot: Sequence[HotSegment], known: Sequence[KnowledgeEntry]) -> list[FoundFact]:
        """Return what the model finds in the pages of hot segments, in one call.

        Raises:
            ChatModelError: the model did not answer.
            ConsolidationError: it answered, but not usably.
        """
        pages = sorted((page for each in hot for page in each.pages), key=lambda page: (page.sequence, page.id))
        request = promotion.request(
            pages, _shown(known), instruction=self._prompts.promotion, budget=self._budget, count=self._count
        )
        reply, misshapen = promotion.read_reply(self._ask(request.messages, promotion.SCHEMA))
        shown = _shown(known)[: request.known]
        return FactReader(pages, request.pages, known, shown=shown).facts(reply, misshapen)

    def _count(self, text: str) -> int:
        return (self._counter or default_counter())(text)

    def _ask(self, messages: Sequence[ChatMessage], schema: OutputSchema) -> str:
        try:
            reply = complete_json(self._model, messages, schema)
        except MemoryOSError:
            raise
        except Exception as error:  # noqa: BLE001 - a chat model is anybody's code; its failure must not end the worker
            # Not chained: a foreign error may quote the prompt.
            raise ChatModelError(f"the chat model failed ({type(error).__name__}); its pages are tried again") from None
        if not isinstance(reply, str):
            raise ChatModelError(f"the chat model returned a {type(reply).__name__}, not text")
        return reply


def _shown(known: Sequence[KnowledgeEntry]) -> list[KnowledgeEntry]:
    """Return the known entries worth showing: the profile, and the nearest of the others."""
    profile = [entry for entry in known if entry.kind is KnowledgeKind.USER_PROFILE]
    others = [entry for entry in known if entry.kind is not KnowledgeKind.USER_PROFILE]
    return [*profile[: len(promotion.PROFILE_FIELDS)], *others[:MOST_KNOWN]]
