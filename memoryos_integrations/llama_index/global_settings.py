"""The models of LlamaIndex's global `Settings`, if somebody set them.

Where nobody did, LlamaIndex makes one for OpenAI, or stands in a mock that repeats its prompt;
a mock is never taken for a model here.
"""

from __future__ import annotations

from typing import Any

from llama_index.core import Settings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms.mock import MockLLM

from memoryos_engine import InvalidInput


def settings_llm() -> BaseLLM:
    """Return `Settings.llm` as it is now.

    Raises:
        InvalidInput: none is set and LlamaIndex's default cannot be made, or it is the mock.
    """
    fix = "Set it, for example Settings.llm = OpenAI(model=...), or pass a model: LlamaIndexChatModel(llm)."
    llm: BaseLLM = _resolved("llm", MockLLM, fix)
    return llm


def settings_embed_model() -> BaseEmbedding:
    """Return `Settings.embed_model` as it is now.

    Raises:
        InvalidInput: none is set and LlamaIndex's default cannot be made, or it is the mock.
    """
    fix = "Set it, for example Settings.embed_model = OpenAIEmbedding(), or pass a model: LlamaIndexEmbedder(model)."
    model: BaseEmbedding = _resolved("embed_model", MockEmbedding, fix)
    return model


def _resolved(name: str, mock: type[object], fix: str) -> Any:
    try:
        model = getattr(Settings, name)
    except Exception as error:  # noqa: BLE001 - what is not set is imported and made with whatever key there is
        problem = f"is not set, and LlamaIndex's default cannot be made ({type(error).__name__})"
        raise InvalidInput(f"Settings.{name}", problem, fix) from None
    if type(model) is mock:
        raise InvalidInput(f"Settings.{name}", f"is a {mock.__name__}, which is no model", fix)
    return model
