"""What a framework's model raised, as the engine's errors.

Every provider raises errors of its own, which quote the service, the prompt or the key. So
only their type, status and waiting time are taken over, and they are never chained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import JSONDecodeError
from typing import Any

from memoryos_engine import ChatModelError
from memoryos_engine.llm.failure import refused, retry_after
from memoryos_engine.llm.reply import Reply, read_reply

_ADVICE = {
    401: "Check the API key.",
    403: "The API key may not use this model.",
    404: "The service has no such model; check its name.",
    429: "The rate limit or quota is used up; try again later.",
}
_STATUS_OF = {
    "ModelAuthenticationError": 401,
    "ModelPermissionDeniedError": 403,
    "ModelInvalidRequestError": 400,
    "ContextOverflowError": 400,
    "ModelNotFoundError": 404,
    "ModelRateLimitError": 429,
}
"""LangChain's own errors, by name because its older versions have none of them; other frameworks have none at all."""

_FILTERED = frozenset(("ContentFilterFinishReasonError", "OpenAIRefusalError"))
_FILTERED_TEXT = "Azure has not provided the response due to a content filter"
_CANNOT = (TypeError, ValueError, LookupError, AttributeError, NotImplementedError, ImportError, Warning)
"""What Python code raises that does not know what it was asked for."""
_GARBLED = (OSError, JSONDecodeError)
"""Of these, what comes of the network."""
_MOST_CAUSES = 5
_NOT_IMPLEMENTED = 501


class NoAnswer(ChatModelError):
    """A call of a model ended in an error of somebody else's.

    Args:
        message: see `ChatModelError`.
        status_code: the HTTP status of the refusal; 501 for code that cannot do what was asked.
        retry_after: see `ChatModelError`.
    """

    def __init__(self, message: str = "", *, status_code: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status_code = status_code


def no_answer(model: str, error: Exception) -> ChatModelError:
    """Return the error for a call of the model that ended in `error`."""
    if isinstance(error, ChatModelError):
        return error
    causes = list(_causes(error))
    if any(_is_filter(cause) for cause in causes):
        return refused(model)
    status = next(filter(None, map(_status, causes)), None)
    kind = type(error).__name__ if status is None else f"{type(error).__name__}, HTTP {status}"
    cannot = _NOT_IMPLEMENTED if isinstance(error, _CANNOT) and not isinstance(error, _GARBLED) else None
    return NoAnswer(
        f"the model {model!r} did not answer ({kind}). {_advice(status)}",
        status_code=status or cannot,
        retry_after=next((wait for wait in map(_wait, causes) if wait is not None), None),
    )


def answer_within(error: Exception) -> Reply | None:
    """Return the answer that an error of the official client carries because it was cut short, if it is one."""
    completion = getattr(error, "completion", None)
    reply = None if completion is None else read_reply(completion)
    return reply if reply is not None and reply.is_completion else None


def _advice(status: int | None) -> str:
    if status is None:
        return "Check the network, and how the model was set up."
    if status >= 500:
        return "The service failed; try again later."
    return _ADVICE.get(
        status, "The service refused the request; check the model, its options and the length of the prompt."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it was raised from; integrations wrap the errors of their clients."""
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__  # not __context__, which may be an error that the caller was handling


def _is_filter(error: BaseException) -> bool:
    if type(error).__name__ in _FILTERED or getattr(error, "code", None) == "content_filter":
        return True
    return isinstance(error, ValueError) and str(error).startswith(_FILTERED_TEXT)


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    told = [getattr(error, name, None) for name in ("status_code", "http_status", "code")]
    told += [getattr(response, "status_code", None), _botocore(response).get("HTTPStatusCode")]
    told += [_STATUS_OF.get(kind.__name__) for kind in type(error).__mro__]
    return next((int(status) for status in told if isinstance(status, int) and 400 <= status < 600), None)


def _wait(error: BaseException) -> float | None:
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or _botocore(response).get("HTTPHeaders")
    told = {str(name).lower(): str(value) for name, value in headers.items()} if isinstance(headers, Mapping) else {}
    asked = getattr(error, "retry_after", None)
    return retry_after(told if asked is None else {**told, "retry-after": str(asked)})


def _botocore(response: object) -> Mapping[str, Any]:
    told = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    return told if isinstance(told, Mapping) else {}
