"""The official OpenAI client, made in one place for chat models and embedders alike."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from memoryos_engine.errors import InvalidInput

if TYPE_CHECKING:
    from openai import OpenAI

_ADDRESS = "https://api.openai.com/v1"


def connect(api_key: str | None, base_url: str | None, *, timeout: float, max_retries: int) -> OpenAI:
    """Return a client; nothing is sent yet.

    Args:
        api_key: by default the environment variable OPENAI_API_KEY. Any text will do for a
            server that asks for none.
        base_url: None or empty is OPENAI_BASE_URL, else OpenAI itself.
        timeout: seconds for each attempt.
        max_retries: attempts after the first.

    Raises:
        InvalidInput: no key was found.
    """
    key = api_key or os.environ.get("OPENAI_API_KEY")
    if not key:
        raise InvalidInput("api_key", "is missing", "Pass api_key=... or set the environment variable OPENAI_API_KEY.")
    from openai import OpenAI

    # The client takes an empty OPENAI_BASE_URL for an address, so the default is spelled out.
    address = base_url or os.environ.get("OPENAI_BASE_URL") or _ADDRESS
    return OpenAI(api_key=key, base_url=address, timeout=timeout, max_retries=max_retries)
