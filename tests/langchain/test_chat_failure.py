"""LangChainChatModel when its model fails, declines or stops short: the engine's errors, which quote nothing."""

from __future__ import annotations

import pickle
from http import HTTPStatus
from types import SimpleNamespace

import pytest
from langchain_core import exceptions
from langchain_core.messages import AIMessage

from memoryos_engine import ChatMessage, ChatModelError
from memoryos_engine.errors import ReplyRefused
from memoryos_engine.llm import OutputSchema
from memoryos_integrations.langchain.chat_model import LangChainChatModel
from tests.langchain.speaking import Speaker, Streamer, ToolCaller, saying

SECRET = "my secret diary"
ASKED = (ChatMessage(role="user", content=SECRET),)
SCHEMA = OutputSchema(name="facts", schema={"type": "object", "properties": {}})


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


def asks(answer):
    """The three ways to ask a model that answers so."""
    model = LangChainChatModel(Speaker(respond=saying(answer)))
    return (
        lambda: model.complete(ASKED),
        lambda: model.complete_json(ASKED, SCHEMA),
        lambda: list(model.stream(ASKED)),
    )


def raised_by(ask):
    with pytest.raises(ChatModelError) as caught:
        ask()
    return caught.value


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
    for ask in asks(error):
        raised = raised_by(ask)

        assert str(raised) == f"the model 'speaker' did not answer ({kind}). {advice}"
        assert (type(raised) is ReplyRefused, raised.__cause__, raised.__suppress_context__) == (False, None, True)


@pytest.mark.parametrize(
    ("name", "status"),
    [("ModelRateLimitError", 429), ("ModelInvalidRequestError", 400), ("ContextOverflowError", 400)],
)
def test_langchains_own_errors_tell_their_status(name, status):
    """Its older versions have none of them, so here they may be stand-ins of that name."""
    kind = type("TheirError", (getattr(exceptions, name, type(name, (Exception,), {})),), {})

    assert f"(TheirError, HTTP {status})" in str(raised_by(asks(kind(SECRET))[0]))


def test_an_error_that_the_caller_was_handling_is_not_taken_for_the_cause():
    error = ConnectionError(SECRET)
    error.__context__ = ServiceError(status_code=429, retry_after=60)
    raised = raised_by(asks(error)[0])

    assert (str(raised), raised.retry_after) == (
        f"the model 'speaker' did not answer (ConnectionError). {NETWORK}",
        None,
    )


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
    assert [raised_by(ask).retry_after for ask in asks(error)] == [seconds] * 3


def test_an_error_of_the_engine_is_passed_on_as_it_is():
    error = ReplyRefused("no", retry_after=3.0)

    assert [raised_by(ask) for ask in asks(error)] == [error] * 3


def test_an_error_can_be_sent_to_another_process():
    raised = raised_by(asks(ServiceError(status_code=429, retry_after=2))[0])
    arrived = pickle.loads(pickle.dumps(raised))

    assert (type(arrived), str(arrived), vars(arrived)) == (type(raised), str(raised), vars(raised))
    assert vars(arrived) == {"retry_after": 2.0, "status_code": 429}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes(interrupt):
    for ask in asks(interrupt()):
        with pytest.raises(interrupt):
            ask()


def test_a_stream_that_breaks_off_has_said_what_it_said():
    pieces = LangChainChatModel(Streamer(chunks=["Hello ", ServiceError(status_code=500)])).stream(ASKED)

    assert next(pieces) == "Hello "
    assert (
        str(raised_by(lambda: next(pieces))) == f"the model 'speaker' did not answer (ServiceError, HTTP 500). {LATER}"
    )


# -- declined, or cut short ---------------------------------------------------------------------


def declining(**fields):
    return AIMessage(**{"content": "I can't help with that.", **fields})


REFUSALS = {
    "a refusal": declining(content="", additional_kwargs={"refusal": "I can't."}),
    "a block of refusal": declining(content=[{"type": "refusal", "refusal": "I can't."}]),
    "a block in LangChain's own form": declining(content=[{"type": "non_standard", "value": {"refusal": "I can't."}}]),
    "a filter": declining(response_metadata={"finish_reason": "content_filter"}),
    "a stop reason": declining(response_metadata={"stop_reason": "refusal"}),
    "an enumeration's capitals": declining(response_metadata={"finish_reason": "SAFETY"}),
    "an enumeration's full name": declining(response_metadata={"finish_reason": "FinishReason.PROHIBITED_CONTENT"}),
    "a guardrail": declining(response_metadata={"stopReason": "guardrail_intervened"}),
    "an incomplete response": declining(
        response_metadata={"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    ),
    "an error of the filter's": ServiceError(status_code=400, code="content_filter"),
    "an error told only in words": ValueError("Azure has not provided the response due to a content filter being on"),
    "an error of the client's": type("ContentFilterFinishReasonError", (Exception,), {})(),
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
def test_an_answer_that_was_declined_is_a_refusal(answer):
    for ask in asks(answer):
        raised = raised_by(ask)

        assert (type(raised), str(raised)) == (
            ReplyRefused,
            "the model 'speaker' or its content filter refused to answer. Ask in another way.",
        )


CUTS = {
    "length": {"finish_reason": "length"},
    "max_tokens": {"stop_reason": "max_tokens"},
    "MAX_TOKENS": {"finish_reason": "MAX_TOKENS"},
    "done_reason": {"done_reason": "length"},
    "incomplete": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
}


@pytest.mark.parametrize("metadata", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("kind", [Speaker, ToolCaller])
def test_json_that_was_cut_is_an_error_and_words_that_were_are_an_answer(metadata, kind):
    """As with the engine's own model: half a sentence is of use, half an object is not."""
    model = LangChainChatModel(kind(respond=saying(AIMessage(content='{"a": 1}', response_metadata=metadata))))

    assert (model.complete(ASKED), "".join(model.stream(ASKED))) == ('{"a": 1}', '{"a": 1}')
    assert (
        str(raised_by(lambda: model.complete_json(ASKED, SCHEMA)))
        == "the answer of the model 'speaker' was cut at its limit of tokens. Raise the limit or ask for less."
    )


@pytest.mark.parametrize(
    "metadata",
    [{"finish_reason": "stop"}, {"stop_reason": "end_turn"}, {"status": "completed", "incomplete_details": None}, {}],
    ids=str,
)
def test_an_answer_that_came_to_its_end_is_one(metadata):
    assert [ask() for ask in asks(AIMessage(content="{}", response_metadata=metadata))] == ["{}", "{}", ["{}"]]
