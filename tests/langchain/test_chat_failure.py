"""LangChainChatModel when its model fails, declines or stops short: the engine's errors, which quote nothing."""

from __future__ import annotations

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


LATER = "The service failed; try again later."


def test_what_a_provider_raises_is_an_error_of_ours_that_quotes_nothing():
    for ask in asks(ServiceError(status_code=500, retry_after=7)):
        raised = raised_by(ask)

        assert str(raised) == f"the model 'speaker' did not answer (ServiceError, HTTP 500). {LATER}"
        assert (type(raised) is ReplyRefused, raised.retry_after) == (False, 7.0)
        assert (raised.__cause__, raised.__suppress_context__) == (None, True)


@pytest.mark.parametrize(
    ("name", "status"),
    [("ModelRateLimitError", 429), ("ModelInvalidRequestError", 400), ("ContextOverflowError", 400)],
)
def test_langchains_own_errors_tell_their_status(name, status):
    """Its older versions have none of them, so here they may be stand-ins of that name."""
    kind = type("TheirError", (getattr(exceptions, name, type(name, (Exception,), {})),), {})

    assert f"(TheirError, HTTP {status})" in str(raised_by(asks(kind(SECRET))[0]))


def test_an_error_of_the_engine_is_passed_on_as_it_is():
    error = ReplyRefused("no", retry_after=3.0)

    assert [raised_by(ask) for ask in asks(error)] == [error] * 3


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
