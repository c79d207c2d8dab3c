"""Chat models behind the OpenAI API or any endpoint that speaks it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from memoryos_engine.errors import ChatModelError, InvalidInput
from memoryos_engine.llm.base import ChatMessage

if TYPE_CHECKING:
    from openai import OpenAI


class OpenAIChatModel:
    """A chat model through the official client.

    Args:
        model: model name, for example "gpt-4o-mini".
        api_key: key; OPENAI_API_KEY where it is None.
        base_url: another endpoint; None or "" means OpenAI's own.
        timeout: seconds a call may take.
        max_retries: tries after the first on a fault of the network or the server.

    Raises:
        InvalidInput: there is no key.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 3,
    ) -> None:
        self.name = model
        key = api_key or os.environ.get("OPENAI_API_KEY")
        if not key:
            raise InvalidInput("api_key", "is missing", "Pass api_key=... or set OPENAI_API_KEY.")
        self._client = _client(key, base_url or None, timeout, max_retries)

    def complete(self, messages: Sequence[ChatMessage]) -> str:
        """Return the model's answer.

        Raises:
            ChatModelError: it did not answer, or with nothing.
        """
        from openai import OpenAIError

        try:
            reply = self._client.chat.completions.create(
                model=self.name,
                messages=[{"role": message.role, "content": message.content} for message in messages],  # type: ignore[misc]
            )
        except OpenAIError as error:
            # Not chained: the client's error may quote the prompt or the key.
            raise ChatModelError(f"the model {self.name!r} did not answer ({type(error).__name__})") from None
        answer = reply.choices[0].message.content if reply.choices else None
        if not answer or not answer.strip():
            raise ChatModelError(f"the model {self.name!r} returned an empty answer")
        return answer


def _client(key: str, base_url: str | None, timeout: float, max_retries: int) -> OpenAI:
    from openai import OpenAI

    # The client takes an empty OPENAI_BASE_URL for an address, so the default is named here.
    address = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    return OpenAI(api_key=key, base_url=address, timeout=timeout, max_retries=max_retries)
