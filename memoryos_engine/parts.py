"""The parts a system is made of: what was passed is checked, what was not is chosen."""

from __future__ import annotations

from memoryos_engine.analysis.base import Analyst
from memoryos_engine.analysis.extractive import ExtractiveAnalyst
from memoryos_engine.analysis.llm import LLMAnalyst
from memoryos_engine.embedding.base import Embedder
from memoryos_engine.embedding.hashing import HashingEmbedder
from memoryos_engine.errors import InvalidInput
from memoryos_engine.llm.base import ChatModel
from memoryos_engine.prompts import Prompts
from memoryos_engine.settings import MemorySettings


def check_parts(settings: object, embedder: object, llm: object, prompts: object, clock: object) -> None:
    """Raise InvalidInput for a part that could only fail later."""
    if not isinstance(settings, MemorySettings):
        raise InvalidInput("settings", f"is a {type(settings).__name__}", "Pass MemorySettings(...).")
    check_embedder(embedder)
    if llm is not None and not callable(getattr(llm, "complete", None)):
        raise InvalidInput(
            "llm", f"is a {type(llm).__name__}, not a chat model", 'Pass OpenAIChatModel("gpt-4o-mini").'
        )
    if not isinstance(prompts, Prompts):
        raise InvalidInput("prompts", f"is a {type(prompts).__name__}", "Pass Prompts(...).")
    if not callable(clock):
        raise InvalidInput("clock", f"is a {type(clock).__name__}", "Pass a function that returns a datetime.")


def check_embedder(embedder: object) -> None:
    """Raise InvalidInput for what is no embedder."""
    if not (callable(getattr(embedder, "embed", None)) and hasattr(embedder, "name")):
        fix = "Pass an embedder, for example memoryos_engine.embedding.minilm()."
        raise InvalidInput("embedder", f"is a {type(embedder).__name__}, not an embedder", fix)


def is_default_embedder(embedder: Embedder) -> bool:
    """Say whether this is what a system has that is given no embedder."""
    return type(embedder) is HashingEmbedder and embedder.name == HashingEmbedder().name


def chosen_model(llm: ChatModel | str | None) -> ChatModel | None:
    """Return the chat model, made if it was only named.

    Raises:
        InvalidInput: it was named, and there is no key.
    """
    if not isinstance(llm, str):
        return llm
    from memoryos_engine.llm.openai import OpenAIChatModel

    try:
        return OpenAIChatModel(llm)
    except InvalidInput as error:
        fix = f'Set OPENAI_API_KEY, or pass OpenAIChatModel({llm!r}, api_key="..."), with base_url for other servers.'
        raise InvalidInput("llm", f"cannot be used by its name: {error.parameter} {error.problem}", fix) from error


def default_analyst(llm: ChatModel | None, prompts: Prompts, settings: MemorySettings) -> Analyst:
    """Return the analyst that goes with a model, or without one."""
    if llm is None:
        return ExtractiveAnalyst()
    return LLMAnalyst(llm, prompts=prompts, max_tokens=settings.model_prompt_tokens)


def checked_analyst(analyst: Analyst) -> Analyst:
    """Return the analyst, or raise InvalidInput for what is none."""
    steps = ("consolidate", "summarise", "promote")
    traits = ("batch_size", "promotion_size", "eager")
    if not all(callable(getattr(analyst, step, None)) for step in steps) or not all(
        hasattr(analyst, name) for name in traits
    ):
        raise InvalidInput("analyst", f"is a {type(analyst).__name__}, not an analyst", "Pass ExtractiveAnalyst().")
    return analyst
