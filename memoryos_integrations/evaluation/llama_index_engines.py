"""One LlamaIndex chat engine with three memories: what people had, and what they have with us.

The engine's model says what it is told to and keeps the prompt it received, so that all
that differs between the three is the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import CustomLLM
from llama_index.core.memory import BaseMemory
from llama_index_instrumentation.dispatcher import instrument_tags
from pydantic import PrivateAttr

from memoryos_engine import Embedder, ManualClock, MemoryOS
from memoryos_integrations.evaluation.llama_index_memories import open_buffer, open_vectors
from memoryos_integrations.evaluation.overhead import MAX_TOKENS, PAGES, Remembering, Script
from memoryos_integrations.llama_index import MemoryOSMemory

OURS, BLOCK, BUFFER = "MemoryOS", "vector block", "buffer"
"""MemoryOSMemory, Memory with a VectorMemoryBlock on Chroma, and ChatMemoryBuffer, by short names."""


class ScriptedLLM(CustomLLM):
    """A model that answers as its script says."""

    _script: Script = PrivateAttr(default_factory=Script)

    @property
    def metadata(self) -> LLMMetadata:
        """Say that nothing is known about it."""
        return LLMMetadata()

    @property
    def script(self) -> Script:
        """What it says next and was asked last."""
        return self._script

    def complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: ARG002 - the signature is LlamaIndex's
        **kwargs: Any,  # noqa: ARG002
    ) -> CompletionResponse:
        """Return what the script says."""
        return CompletionResponse(text=self._script.answer(prompt))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Return the same in one piece."""
        yield self.complete(prompt, formatted, **kwargs)


def open_engines(folder: Path, now: datetime, stack: ExitStack, *, embedder: Embedder) -> list[Remembering]:
    """Return the engine with each memory, kept under `folder` as far as it is kept, and closed with `stack`."""
    clock = ManualClock(now)
    system = stack.enter_context(closing(MemoryOS(folder / "memoryos", embedder=embedder, clock=clock)))
    ours = MemoryOSMemory(system=system, user_id="user", max_tokens=MAX_TOKENS, top_k=PAGES)
    memories = {OURS: ours, BLOCK: open_vectors(folder / "vectors", embedder, stack), BUFFER: open_buffer()}
    return [_engine(name, memory, clock) for name, memory in memories.items()]


def _engine(name: str, memory: BaseMemory, clock: ManualClock) -> Remembering:
    model = ScriptedLLM()
    engine = SimpleChatEngine.from_defaults(llm=model, memory=memory)

    def chat(text: str, session_id: str) -> None:
        with instrument_tags({"session_id": session_id}):
            engine.chat(text)

    def remembered(question: str) -> str:
        with instrument_tags({"session_id": "asking"}):
            return _as_text(memory.get(input=question))

    return Remembering(name=name, script=model.script, clock=clock, chat=chat, remembered=remembered)


def _as_text(messages: Sequence[ChatMessage]) -> str:
    return "\n".join(message.content or "" for message in messages)
