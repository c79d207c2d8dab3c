"""An answer of a model that is coming in chunks. Knows no framework: its chunks come as replies of the engine's."""

from __future__ import annotations

from dataclasses import dataclass, field

from memoryos_engine import TokenUsage
from memoryos_engine.llm.failure import broken_off, refused
from memoryos_engine.llm.reply import Reply


@dataclass(kw_only=True, slots=True)
class StreamedAnswer:
    """An answer that is coming in chunks."""

    _pieces: list[str] = field(default_factory=list)
    _finish_reason: str | None = None
    _tells_its_end: bool = False
    has_begun: bool = False
    """Whether a chunk came."""
    usage: TokenUsage | None = None
    """What was told last; None if nothing was."""

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._pieces)

    def hear(self, reply: Reply, model: str, *, tells_its_end: bool) -> str:
        """Return what one more chunk says, which may be nothing.

        Args:
            reply: what the chunk says, and all that was told of the usage up to it.
            model: its name, for the error.
            tells_its_end: whether its provider gives a reason at the end of a stream that was not cut.

        Raises:
            ReplyRefused: the model or a filter declined.
        """
        self.has_begun = True
        self.usage = reply.usage or self.usage
        self._finish_reason = reply.finish_reason or self._finish_reason
        self._tells_its_end |= tells_its_end
        if reply.is_refusal:
            raise refused(model)
        if reply.text:
            self._pieces.append(reply.text)
        return reply.text

    def check_end(self, model: str) -> None:
        """Check that the stream was not cut off.

        Raises:
            ChatModelError: no reason for its end came from a provider that gives one.
        """
        if self._tells_its_end and self._finish_reason is None:
            raise broken_off(model)
