"""LlamaIndexChatModel: what a LlamaIndex LLM is asked, and what of its answer is one."""

from __future__ import annotations

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage as Message
from llama_index.core.base.llms.types import ImageBlock
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.llms import LLMMetadata
from llama_index.core.llms.mock import MockLLM
from llama_index.llms.openai import OpenAI

from memoryos_engine import ChatMessage, ChatModelError, InvalidInput, TokenUsage
from memoryos_engine.errors import ReplyRefused
from memoryos_engine.llm import OutputSchema
from memoryos_engine.tokens import default_counter
from memoryos_integrations.llama_index.chat_model import LlamaIndexChatModel
from tests.llama_index.speaking import Completer, Speaker, Streamer, listening, saying, saying_of, text, thought

SECRET = "my secret diary"
ASKED = (ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=SECRET))
SCHEMA = OutputSchema(name="facts", schema={"type": "object", "properties": {}})
COUNTS = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
TOLD = TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)


def wrapped(*answers, **options):
    return LlamaIndexChatModel(Speaker(respond=saying(*answers)), **options)


def asks(answer):
    """The three ways to ask a model that answers so."""
    model = wrapped(answer)
    return (
        lambda: model.complete(ASKED),
        lambda: model.complete_json(ASKED, SCHEMA),
        lambda: list(model.stream(ASKED)),
    )


# -- what is asked ------------------------------------------------------------------------------


def test_each_role_is_a_message_of_its_own():
    model = Speaker(respond=saying("ok"))
    LlamaIndexChatModel(model).complete([*ASKED, ChatMessage(role="assistant", content="Dear diary?")])

    assert [[(each.role.value, each.content) for each in asked] for asked in model.asked] == [
        [("system", "Be brief."), ("user", SECRET), ("assistant", "Dear diary?")]
    ]
    assert model.options == [{}]


def test_a_model_that_only_completes_is_given_its_own_prompt():
    model = Completer(answer="<think>Hm.</think>Hello you.", messages_to_prompt=lambda messages: f"<{len(messages)}>")
    ours = LlamaIndexChatModel(model)

    assert (ours.complete(ASKED), "".join(ours.stream(ASKED))) == ("Hello you.", "Hello you.")
    assert model.prompts == ["<2>", "<2>"]


def test_a_lone_surrogate_is_replaced_not_refused():
    model = Speaker(respond=saying("ok"))
    LlamaIndexChatModel(model).complete([ChatMessage(role="user", content="a\ud800b")])

    assert [each.content for each in model.asked[0]] == ["a?b"]


@pytest.mark.parametrize("model", ["gpt-4o-mini", None, object(), LlamaIndexChatModel, Settings])
def test_what_is_no_llm_is_refused(model):
    with pytest.raises(InvalidInput, match=r"^llm is a \w+, not a LlamaIndex LLM\. Pass"):
        LlamaIndexChatModel(model)


class Nameless(Speaker):
    model: None = None

    @property
    def metadata(self):
        return LLMMetadata()


class Unlisted(Nameless):
    @property
    def metadata(self):
        raise ValueError("Unknown model")


class ByMetadata(Nameless):
    @property
    def metadata(self):
        return LLMMetadata(model_name="from metadata")


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (Speaker, None, "speaker"),
        (Speaker, "mine", "mine"),
        (ByMetadata, None, "from metadata"),
        (Nameless, None, "Nameless"),
        (Unlisted, None, "Unlisted"),
    ],
)
def test_the_name_is_what_the_model_goes_by(kind, name, expected):
    assert LlamaIndexChatModel(kind(respond=saying("ok")), name=name).name == expected


def test_an_empty_name_is_refused():
    with pytest.raises(InvalidInput, match=r"^name "):
        wrapped("ok", name="")


# -- what is an answer --------------------------------------------------------------------------

BEGUN_BY_THE_TEMPLATE = "text after a thought begun by the template"
ANSWERS = {
    "text": "Hello you.",
    "text after thinking aloud": "<think>Hm.</think>\n\nHello you.",
    BEGUN_BY_THE_TEMPLATE: "Hm.</think>Hello you.",
    "blocks of one text": [text("Hello "), text("you.")],
    "a block of thinking before": [thought("Hm."), text("Hello you.")],
    "an image besides": [text("Hello you."), ImageBlock(url="https://example.org/x.png")],
}


@pytest.mark.parametrize("content", ANSWERS.values(), ids=ANSWERS)
def test_the_answer_is_the_text_alone(content):
    assert wrapped(content).complete(ASKED) == "Hello you."


SURE_AT_ONCE = {case: content for case, content in ANSWERS.items() if case != BEGUN_BY_THE_TEMPLATE}
"""A stream shows what it cannot know to be a thought; the engine takes it away at the end."""


@pytest.mark.parametrize("content", SURE_AT_ONCE.values(), ids=SURE_AT_ONCE)
def test_a_streamed_answer_is_the_text_alone(content):
    assert "".join(wrapped(content).stream(ASKED)) == "Hello you."


NOTHING = {
    "empty": "",
    "blank": " \n",
    "nothing but a thought": "<think>Hm.</think>",
    "a thought cut short": "<think>Hm.",
    "no blocks": [],
    "a block of thinking": [thought("Hm.")],
}


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING)
def test_an_answer_of_no_words_is_an_error(content):
    for ask in asks(content):
        with pytest.raises(ChatModelError) as caught:
            ask()

        assert str(caught.value) == (
            "the model 'speaker' returned an empty answer. Try again, or with more tokens for it."
        )


class Untold(Speaker):
    """A model that does not tell LlamaIndex's instrumentation what it says, which would not take it."""

    def chat(self, messages, **kwargs):
        return self.respond(messages, kwargs)

    def stream_chat(self, messages, **kwargs):
        return [self.respond(messages, kwargs)]


@pytest.mark.parametrize("output", [None, {"text": SECRET}, SimpleNamespace(message=SECRET)], ids=str)
def test_what_is_no_response_is_an_error(output):
    model = LlamaIndexChatModel(Untold(respond=saying(output)))
    for ask in (model.complete, model.stream, lambda messages: model.complete_json(messages, SCHEMA)):
        with pytest.raises(ChatModelError, match=r"'speaker' returned a \w+, not a ChatResponse") as caught:
            list(ask(ASKED))
        assert SECRET not in str(caught.value)


def test_an_interrupt_passes():
    for ask in asks(KeyboardInterrupt()):
        with pytest.raises(KeyboardInterrupt):
            ask()


class ServiceError(Exception):
    status_code, retry_after = 500, 7


def test_what_a_provider_raises_is_an_error_of_ours_that_quotes_nothing():
    for ask in asks(ServiceError(SECRET)):
        with pytest.raises(ChatModelError) as caught:
            ask()

        assert str(caught.value) == (
            "the model 'speaker' did not answer (ServiceError, HTTP 500). The service failed; try again later."
        )
        assert (caught.value.retry_after, caught.value.__cause__, caught.value.__suppress_context__) == (
            7.0,
            None,
            True,
        )


# -- declined, or cut short ---------------------------------------------------------------------


def said_raw(raw, content="I can't help with that.", **fields):
    return saying_of(content, raw=raw, **fields)


def choosing(**fields):
    return SimpleNamespace(choices=[SimpleNamespace(**{"finish_reason": None, "message": None, **fields})])


REFUSALS = {
    "OpenAI's refusal": said_raw(choosing(message=SimpleNamespace(refusal="I can't.")), content=[]),
    "OpenAI's, streamed": said_raw(choosing(delta=SimpleNamespace(refusal="I can't.")), content=[]),
    "OpenAI's, as a response": saying_of(Message(role="assistant", additional_kwargs={"refusal": "I can't."})),
    "a filter": said_raw(choosing(finish_reason="content_filter")),
    "a filter, as dicts": said_raw({"choices": [{"finish_reason": "content_filter"}]}),
    "Anthropic's": said_raw({"stop_reason": "refusal"}),
    "Anthropic's, streamed": said_raw({"delta": SimpleNamespace(stop_reason="refusal")}),
    "Bedrock's": said_raw({"stopReason": "guardrail_intervened"}),
    "Google's": said_raw({"finish_reason": "PROHIBITED_CONTENT"}),
    "a response's": said_raw(
        SimpleNamespace(status="incomplete", incomplete_details=SimpleNamespace(reason="content_filter"))
    ),
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
def test_an_answer_that_was_declined_is_a_refusal(answer):
    for ask in asks(answer):
        with pytest.raises(ReplyRefused) as caught:
            ask()

        assert str(caught.value) == ("the model 'speaker' or its content filter refused to answer. Ask in another way.")


CUTS = {
    "OpenAI's": choosing(finish_reason="length"),
    "Anthropic's": {"stop_reason": "max_tokens"},
    "Ollama's": {"done_reason": "length"},
    "Google's": {"finish_reason": "MAX_TOKENS"},
    "a response's": SimpleNamespace(
        status="incomplete", incomplete_details=SimpleNamespace(reason="max_output_tokens")
    ),
}


@pytest.mark.parametrize("raw", CUTS.values(), ids=CUTS)
def test_json_that_was_cut_is_an_error_and_words_that_were_are_an_answer(raw):
    """As with the engine's own model: half a sentence is of use, half an object is not."""
    complete, complete_json, stream = asks(said_raw(raw, content='{"a": 1}'))

    assert (complete(), "".join(stream())) == ('{"a": 1}', '{"a": 1}')
    with pytest.raises(ChatModelError, match="was cut at its limit of tokens"):
        complete_json()


@pytest.mark.parametrize(
    "raw", [choosing(finish_reason="stop"), {"stop_reason": "end_turn"}, {"choices": ["?"]}, "raw", None, 7], ids=str
)
def test_whatever_else_a_provider_said_an_answer_is_one(raw):
    complete, complete_json, _ = asks(said_raw(raw, content="{}"))

    assert (complete(), complete_json()) == ("{}", "{}")


# -- streams ------------------------------------------------------------------------------------


def test_a_stream_comes_in_the_pieces_of_the_model():
    model = Streamer(chunks=["<thi", "nk>Hm.</think> ", "Hello ", "you", "", "."])
    assert list(LlamaIndexChatModel(model).stream(ASKED)) == ["Hello ", "you", "."]
    assert [[each.content for each in asked] for asked in model.asked] == [["Be brief.", SECRET]]


CHUNKS = {
    "all so far and what is new": [saying_of("ha", delta="ha"), saying_of("haha", delta="ha")],
    "what is new alone": [saying_of("ha", delta="ha"), saying_of("ha", delta="ha")],
    "what is new, beside an empty message": [saying_of("", delta="ha"), saying_of("", delta="ha")],
    "all so far alone": [saying_of("ha"), saying_of("haha")],
    "blocks after thinking": [
        saying_of([thought("Hm.")], delta=""),
        saying_of([thought("Hm."), text("haha")], delta="haha"),
    ],
    "thoughts as what is new": [
        saying_of([thought("Hm.")], delta="Hm."),
        saying_of([thought("Hm."), text("ha")], delta="ha"),
        saying_of([thought("Hm. Well."), text("ha")], delta=" Well."),
        saying_of([thought("Hm. Well."), text("haha")], delta="ha"),
    ],
}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_chunks_of_any_make_are_read(chunks):
    assert "".join(LlamaIndexChatModel(Streamer(chunks=chunks)).stream(ASKED)) == "haha"


def test_closing_a_stream_closes_the_models():
    model = Streamer(chunks=["Hello ", "you", "."])
    pieces = LlamaIndexChatModel(model).stream(ASKED)
    assert (next(pieces), model.closed) == ("Hello ", False)

    pieces.close()

    assert model.closed


def test_a_stream_that_breaks_off_has_said_what_it_said():
    pieces = LlamaIndexChatModel(Streamer(chunks=["Hello ", ServiceError(SECRET)])).stream(ASKED)

    assert next(pieces) == "Hello "
    with pytest.raises(ChatModelError, match=r"did not answer \(ServiceError, HTTP 500\)"):
        next(pieces)


def test_a_stream_of_openais_protocol_without_its_end_broke_off():
    """A connection that is cut may look like one that was closed; half an answer would be remembered."""
    begun = [saying_of("Hello ", delta="Hello ", raw=choosing()), saying_of("Hello you.", delta="you.", raw=choosing())]
    ended = saying_of("Hello you.", delta="", raw=choosing(finish_reason="stop"))
    assert list(LlamaIndexChatModel(Streamer(chunks=[*begun, ended])).stream(ASKED)) == ["Hello ", "you."]

    pieces = LlamaIndexChatModel(Streamer(chunks=begun)).stream(ASKED)
    assert [next(pieces), next(pieces)] == ["Hello ", "you."]
    with pytest.raises(ChatModelError, match="broke off before its end"):
        next(pieces)


# -- what it costs ------------------------------------------------------------------------------


def counted(answer):
    count = default_counter()
    return TokenUsage(calls=1, prompt_tokens=count("Be brief.") + count(SECRET), completion_tokens=count(answer))


USAGES = {
    "beside the response": saying_of("Hello.", additional_kwargs=COUNTS),
    "beside the message": saying_of(Message(role="assistant", content="Hello.", additional_kwargs=COUNTS)),
    "OpenAI's": saying_of("Hello.", raw=SimpleNamespace(usage=SimpleNamespace(**COUNTS))),
    "Anthropic's": saying_of("Hello.", raw={"usage": SimpleNamespace(input_tokens=7, output_tokens=3)}),
    "Bedrock's": saying_of("Hello.", raw={"usage": {"inputTokens": 7, "outputTokens": 3}}),
    "Google's": saying_of("Hello.", raw={"usage_metadata": {"prompt_token_count": 7, "candidates_token_count": 3}}),
    "Ollama's": saying_of("Hello.", raw={"prompt_eval_count": 7, "eval_count": 3}),
}


@pytest.mark.parametrize("answer", USAGES.values(), ids=USAGES)
def test_usage_is_the_models_count_wherever_it_is_told(answer):
    model = wrapped(answer)
    model.complete(ASKED)
    list(model.stream(ASKED))

    assert model.usage == TOLD + TOLD


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"prompt_tokens": 7},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": "7", "completion_tokens": "3"},
    ],
    ids=str,
)
def test_usage_is_our_count_where_the_model_gives_none(told):
    model = wrapped(saying_of("Good morning to you.", additional_kwargs=told))
    model.complete(ASKED)

    assert model.usage == counted("Good morning to you.")


def test_the_usage_of_a_stream_is_what_was_told_last():
    growing = [{**COUNTS, "completion_tokens": 1}, COUNTS, {}]
    model = LlamaIndexChatModel(
        Streamer(chunks=[saying_of("Hi", delta="Hi", additional_kwargs=told) for told in growing])
    )
    list(model.stream(ASKED))

    assert model.usage == TOLD


def test_a_stream_that_was_closed_has_cost_what_was_said():
    model = LlamaIndexChatModel(Streamer(chunks=["Hello ", "you."]))
    pieces = model.stream(ASKED)
    next(pieces)
    pieces.close()

    assert model.usage == counted("Hello ")


def test_an_answer_that_cannot_be_used_has_cost_its_tokens_and_an_error_none():
    model = wrapped(saying_of("", additional_kwargs=COUNTS), OSError())
    for _ in range(2):
        with pytest.raises(ChatModelError):
            model.complete(ASKED)
    failing = LlamaIndexChatModel(Streamer(chunks=[OSError()]))
    with pytest.raises(ChatModelError):
        list(failing.stream(ASKED))

    assert (model.usage, failing.usage) == (TOLD, TokenUsage())


# -- where it is used ---------------------------------------------------------------------------


def test_threads_share_a_model():
    model = LlamaIndexChatModel(
        Speaker(respond=lambda messages, options: saying_of(messages[0].content.upper(), additional_kwargs=COUNTS))
    )
    texts = [f"text {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: model.complete([ChatMessage(role="user", content=text)]), texts))

    assert found == [text.upper() for text in texts]
    assert model.usage == TokenUsage(calls=40, prompt_tokens=280, completion_tokens=120)


@pytest.mark.parametrize("travel", [lambda model: pickle.loads(pickle.dumps(model)), copy.copy, copy.deepcopy])
def test_a_model_travels_if_what_it_wraps_does(travel):
    model = LlamaIndexChatModel(Completer(answer="Hello."), name="mine")
    model.complete(ASKED)
    arrived = travel(model)

    assert (type(arrived), arrived.name, arrived.usage) == (LlamaIndexChatModel, "mine", TokenUsage())
    assert arrived.complete(ASKED) == "Hello."
    assert arrived.usage == counted("Hello.")


@pytest.mark.parametrize("ask", ["complete", "stream"])
def test_an_answer_to_a_user_has_the_tags_of_the_call_it_is_given_in(ask):
    model = wrapped("Hello.")
    with listening() as heard, instrument_tags({"user_id": "tom"}):
        assert "".join(getattr(model, ask)(ASKED)) == "Hello."

    assert heard.calls == [(SECRET, {"user_id": "tom"})]


def test_what_the_engine_asks_for_itself_has_none_of_the_tags_of_the_call_it_happens_in():
    """A flush in one user's workflow may read another's pages."""
    model = wrapped("{}")
    with listening() as heard, instrument_tags({"user_id": "tom"}):
        assert model.complete_json(ASKED, SCHEMA) == "{}"

    assert heard.calls == [(f"{SECRET}\n\nAnswer with JSON only.", {})]


def test_what_the_engine_asks_for_itself_is_in_no_span_of_the_call_it_happens_in():
    """It would be found in the trace of the user whose call it is."""
    ours = wrapped("{}")
    theirs = LlamaIndexChatModel(Speaker(respond=lambda messages, options: ours.complete_json(ASKED, SCHEMA)))
    with listening() as heard:
        theirs.complete(ASKED)

    assert heard.spans == [("Speaker.chat", None), ("Speaker.chat", None)]


# -- LlamaIndex's settings ----------------------------------------------------------------------


@pytest.fixture
def settings(monkeypatch):
    for name in ("OPENAI_API_KEY", "IS_TESTING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Settings, "_llm", None)
    return Settings


FIX = "Set it, for example Settings.llm = OpenAI(model=...), or pass a model: LlamaIndexChatModel(llm)."


def test_the_model_of_the_settings_is_the_one_of_that_moment(settings):
    settings.llm = Completer(answer="first")
    first = LlamaIndexChatModel.from_settings()
    settings.llm = Completer(answer="second")

    assert [model.complete(ASKED) for model in (first, LlamaIndexChatModel.from_settings())] == ["first", "second"]
    assert LlamaIndexChatModel.from_settings(name="mine").name == "mine"


def test_llamaindexs_default_is_a_model_where_it_can_be_made(settings, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + 48 * "a")

    assert isinstance(LlamaIndexChatModel.from_settings()._model, OpenAI)


def test_settings_without_a_model_are_refused_with_the_way_out(settings):
    with pytest.raises(InvalidInput) as caught:
        LlamaIndexChatModel.from_settings()

    assert str(caught.value) == f"Settings.llm is not set, and LlamaIndex's default cannot be made (ValueError). {FIX}"
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_settings_whose_default_is_not_installed_are_refused_with_the_way_out(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "llama_index.llms.openai", None)

    with pytest.raises(InvalidInput, match=r"cannot be made \(ImportError\)\. Set it"):
        LlamaIndexChatModel.from_settings()


def test_llamaindexs_mock_is_never_taken_for_a_model_unasked(settings, monkeypatch):
    settings.llm = None
    with pytest.raises(InvalidInput) as caught:
        LlamaIndexChatModel.from_settings()
    assert str(caught.value) == f"Settings.llm is a MockLLM, which is no model. {FIX}"

    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setenv("IS_TESTING", "1")
    with pytest.raises(InvalidInput, match=r"^Settings\.llm is a MockLLM"):
        LlamaIndexChatModel.from_settings()
    assert LlamaIndexChatModel(MockLLM()).complete(ASKED) == f"system: Be brief.\nuser: {SECRET}\nassistant: "
