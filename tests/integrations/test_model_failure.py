"""What a framework's model raises, as the engine's errors, which quote nothing."""

from __future__ import annotations

import pickle
from http import HTTPStatus
from json import JSONDecodeError
from types import SimpleNamespace

import pytest
from openai import LengthFinishReasonError
from openai.types.chat import ChatCompletion

from memoryos_engine import ChatModelError, TokenUsage
from memoryos_engine.errors import ReplyRefused
from memoryos_engine.llm.reply import Reply
from memoryos_integrations.model_failure import NoAnswer, answer_within, no_answer

SECRET = "my secret diary"


class ServiceError(Exception):
    """What a provider raises: it quotes the prompt and carries what the test gives it."""

    def __init__(self, **told):
        super().__init__(f"could not process: {SECRET}")
        self.__dict__.update(told)


def caused_by(error):
    wrapped = RuntimeError(f"the integration failed on {SECRET}")
    wrapped.__cause__ = error
    return wrapped


def response(status=None, **headers):
    return SimpleNamespace(
        status_code=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def botocore(status, **headers):
    return {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}, "Error": {"Message": SECRET}}


NETWORK = "Check the network, and how the model was set up."
LATER = "The service failed; try again later."
LIMIT = "The rate limit or quota is used up; try again later."
REFUSED = "The service refused the request; check the model, its options and the length of the prompt."
FAILURES = {
    "the network": (ConnectionError(SECRET), "ConnectionError", NETWORK),
    "a bug": (ZeroDivisionError(SECRET), "ZeroDivisionError", NETWORK),
    "a status": (ServiceError(status_code=500), "ServiceError, HTTP 500", LATER),
    "a key": (ServiceError(status_code=401), "ServiceError, HTTP 401", "Check the API key."),
    "a status as code": (ServiceError(code=HTTPStatus.TOO_MANY_REQUESTS), "ServiceError, HTTP 429", LIMIT),
    "a code that is no status": (ServiceError(code="invalid_prompt"), "ServiceError", NETWORK),
    "a status of no error": (ServiceError(status_code=200), "ServiceError", NETWORK),
    "a response": (ServiceError(response=response(503)), "ServiceError, HTTP 503", LATER),
    "a botocore response": (ServiceError(response=botocore(400)), "ServiceError, HTTP 400", REFUSED),
    "a cause": (caused_by(ServiceError(status_code=404)), "RuntimeError, HTTP 404",
                "The service has no such model; check its name."),
}  # fmt: skip


@pytest.mark.parametrize(("error", "kind", "advice"), FAILURES.values(), ids=FAILURES)
def test_what_a_provider_raises_is_an_error_of_ours_that_quotes_nothing(error, kind, advice):
    ours = no_answer("m", error)

    assert (type(ours), str(ours)) == (NoAnswer, f"the model 'm' did not answer ({kind}). {advice}")


CANNOT = {
    "a wrong type": (TypeError(SECRET), 501),
    "a missing import": (ImportError(SECRET), 501),
    "a warning": (DeprecationWarning(SECRET), 501),
    "a status first": (type("TheirError", (ValueError,), {"status_code": 400})(SECRET), 400),
    "no JSON": (JSONDecodeError(SECRET, "", 0), None),
    "the network": (ConnectionError(SECRET), None),
}


@pytest.mark.parametrize(("error", "status"), CANNOT.values(), ids=CANNOT)
def test_code_that_does_not_know_what_it_was_asked_for_has_a_status_of_its_own(error, status):
    """By it a way to hold a model to JSON is given up; a failure of the network says nothing about the way."""
    assert no_answer("m", error).status_code == status


def test_an_error_that_the_caller_was_handling_is_not_taken_for_the_cause():
    error = ConnectionError(SECRET)
    error.__context__ = ServiceError(status_code=429, retry_after=60)
    ours = no_answer("m", error)

    assert (str(ours), ours.retry_after) == (f"the model 'm' did not answer (ConnectionError). {NETWORK}", None)


WAITS = {
    "seconds": (ServiceError(response=response(429, retry_after="7")), 7.0),
    "capitals": (ServiceError(response=response(429, Retry_After="7")), 7.0),
    "milliseconds": (ServiceError(response=response(429, retry_after_ms="250")), 0.25),
    "of botocore": (ServiceError(response=botocore(429, **{"retry-after": "3"})), 3.0),
    "an attribute": (ServiceError(retry_after=2.5), 2.5),
    "a cause": (caused_by(ServiceError(retry_after=4)), 4.0),
    "nothing": (ServiceError(status_code=429), None),
    "nonsense": (ServiceError(retry_after="soon", response=response(429, retry_after="later")), None),
    "headers that are none": (ServiceError(response=SimpleNamespace(headers=["retry-after: 7"])), None),
}


@pytest.mark.parametrize(("error", "seconds"), WAITS.values(), ids=WAITS)
def test_the_time_a_service_asks_to_wait_is_kept(error, seconds):
    assert no_answer("m", error).retry_after == seconds


@pytest.mark.parametrize(
    "error",
    [
        ServiceError(status_code=400, code="content_filter"),
        caused_by(ServiceError(code="content_filter")),
        ValueError("Azure has not provided the response due to a content filter being on"),
        type("ContentFilterFinishReasonError", (Exception,), {})(),
    ],
    ids=["a code", "a code of the cause", "words alone", "a class of the client's"],
)
def test_what_a_filter_raises_is_a_refusal(error):
    ours = no_answer("m", error)

    assert (type(ours), str(ours)) == (
        ReplyRefused,
        "the model 'm' or its content filter refused to answer. Ask in another way.",
    )


def test_an_error_of_the_engine_is_passed_on_as_it_is():
    error = ReplyRefused("no", retry_after=3.0)

    assert no_answer("m", error) is error


def test_an_error_can_be_sent_to_another_process():
    ours = no_answer("m", ServiceError(status_code=429, retry_after=2))
    arrived = pickle.loads(pickle.dumps(ours))

    assert (type(arrived), str(arrived), vars(arrived)) == (NoAnswer, str(ours), vars(ours))
    assert vars(arrived) == {"retry_after": 2.0, "status_code": 429}
    assert isinstance(arrived, ChatModelError)


def test_an_answer_cut_short_within_an_error_of_the_client_is_one_that_was_cut():
    """openai raises it when it parses; the answer was received and has cost its tokens."""
    completion = ChatCompletion.model_validate(
        {
            "id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": '{"a'}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        }
    )  # fmt: skip
    usage = TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)

    assert answer_within(LengthFinishReasonError(completion=completion)) == Reply(
        text='{"a', finish_reason="length", usage=usage
    )
    assert answer_within(ServiceError(completion="none")) is None
    assert answer_within(OSError()) is None
