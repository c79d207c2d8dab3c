"""What the official client raises, as errors of ours.

The client's errors quote the server, which may quote the prompt or the key; so only their
type, status and waiting time are taken over, and they are never chained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from memoryos_engine.clock import as_utc, system_clock
from memoryos_engine.errors import ChatModelError, ReplyRefused

_ADVICE = {
    400: "The server refused the request; check the model, its options and the length of the prompt.",
    401: "Check the API key.",
    403: "The API key may not use this model.",
    404: "The server has no such model; check model and base_url.",
    429: "The rate limit or quota is used up; try again later.",
}


def no_answer(model: str, error: Exception) -> ChatModelError:
    """Return the error for a call that ended in `error`."""
    status = getattr(error, "status_code", None)
    if status is None:
        kind, advice = type(error).__name__, "Check the network, base_url and timeout."
    else:
        kind = f"{type(error).__name__}, HTTP {status}"
        advice = _ADVICE.get(status, "The server failed; try again later.")
    headers = getattr(getattr(error, "response", None), "headers", {})
    return ChatModelError(f"the model {model!r} did not answer ({kind}). {advice}", retry_after=retry_after(headers))


def malformed(model: str) -> ChatModelError:
    """Return the error for a body that is no chat completion."""
    return ChatModelError(
        f"what came from the server of {model!r} is no chat completion. Check that base_url speaks the OpenAI API."
    )


def empty(model: str) -> ChatModelError:
    """Return the error for an answer of no words."""
    return ChatModelError(f"the model {model!r} returned an empty answer. Try again, or with more tokens for it.")


def cut_short(model: str) -> ChatModelError:
    """Return the error for an answer that reached its limit of tokens."""
    return ChatModelError(
        f"the answer of the model {model!r} was cut at its limit of tokens. Raise the limit or ask for less."
    )


def broken_off(model: str) -> ChatModelError:
    """Return the error for a stream that ended before the answer did."""
    return ChatModelError(f"the answer of the model {model!r} broke off before its end. Try again.")


def refused(model: str) -> ReplyRefused:
    """Return the error for a refusal, or an answer that a filter withheld."""
    return ReplyRefused(f"the model {model!r} or its content filter refused to answer. Ask in another way.")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the headers of a response ask to wait, or None."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after")
    seconds = _number(asked)
    return seconds if seconds is not None or not asked else _until(asked)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _until(date: str) -> float | None:
    try:
        moment = as_utc(parsedate_to_datetime(date))
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, (moment - system_clock()).total_seconds())
