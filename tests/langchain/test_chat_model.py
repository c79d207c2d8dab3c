"""LangChainChatModel: what a LangChain model is asked, and what of its answer is one."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda

from memoryos_engine import ChatMessage, ChatModelError, InvalidInput, TokenUsage
from memoryos_engine.llm import OutputSchema
from memoryos_engine.tokens import default_counter
from memoryos_integrations.langchain.chat_model import LangChainChatModel
from tests.langchain.speaking import Heard, Speaker, Streamer, saying

SECRET = "my secret diary"
ASKED = (ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=SECRET))
SCHEMA = OutputSchema(name="facts", schema={"type": "object", "properties": {}})
USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


def wrapped(*answers, **options):
    return LangChainChatModel(Speaker(respond=saying(*answers)), **options)


# -- what is asked ------------------------------------------------------------------------------


def test_each_role_is_a_message_of_its_own_kind():
    model = Speaker(respond=saying("ok"))
    LangChainChatModel(model).complete([*ASKED, ChatMessage(role="assistant", content="Dear diary?")])

    expected = [SystemMessage("Be brief."), HumanMessage(SECRET), AIMessage("Dear diary?")]
    assert [[(type(each), each.content) for each in asked] for asked in model.asked] == [
        [(type(each), each.content) for each in expected]
    ]
    assert model.options == [{}]


def test_a_lone_surrogate_is_replaced_not_refused():
    model = Speaker(respond=saying("ok"))
    LangChainChatModel(model).complete([ChatMessage(role="user", content="a\ud800b")])

    assert [each.content for each in model.asked[0]] == ["a?b"]


@pytest.mark.parametrize("model", ["gpt-4o-mini", None, object(), LangChainChatModel])
def test_what_is_no_langchain_model_is_refused(model):
    with pytest.raises(InvalidInput, match=r"^model is a .*, not a LangChain chat model\. Pass"):
        LangChainChatModel(model)


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        (Speaker(respond=saying("ok")), None, "speaker"),
        (Speaker(respond=saying("ok")), "mine", "mine"),
        (FakeListChatModel(responses=["ok"]), None, "FakeListChatModel"),
        (Speaker(respond=saying("ok")).bind(stop=["x"]), None, "speaker"),
    ],
    ids=["its own", "the caller's", "its class's", "what was bound"],
)
def test_the_name_is_what_the_model_goes_by(model, name, expected):
    assert LangChainChatModel(model, name=name).name == expected


def test_an_empty_name_is_refused():
    with pytest.raises(InvalidInput, match=r"^name "):
        wrapped("ok", name="")


# -- what is an answer --------------------------------------------------------------------------

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "x"}
BEGUN_BY_THE_TEMPLATE = "text after a thought begun by the template"
ANSWERS = {
    "text": "Hello you.",
    "text after thinking aloud": "<think>Hm.</think>\n\nHello you.",
    BEGUN_BY_THE_TEMPLATE: "Hm.</think>Hello you.",
    "blocks": [{"type": "text", "text": "Hello "}, {"type": "text", "text": "you."}],
    "blocks and bare texts": ["Hello ", {"type": "text", "text": "you."}],
    "a block of thinking before": [THOUGHT, {"type": "text", "text": "Hello you."}],
    "a block of reasoning after": [{"type": "text", "text": "Hello you."}, {"type": "reasoning", "reasoning": "Hm."}],
    "a tool and an image besides": [
        {"type": "text", "text": "Hello you."},
        {"type": "tool_use", "id": "1", "name": "search", "input": {}},
        {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
    ],
}


@pytest.mark.parametrize("content", ANSWERS.values(), ids=ANSWERS)
def test_the_answer_is_the_text_alone(content):
    assert wrapped(AIMessage(content=content)).complete(ASKED) == "Hello you."


SURE_AT_ONCE = {case: content for case, content in ANSWERS.items() if case != BEGUN_BY_THE_TEMPLATE}
"""A stream shows what it cannot know to be a thought; the engine takes it away at the end."""


@pytest.mark.parametrize("content", SURE_AT_ONCE.values(), ids=SURE_AT_ONCE)
def test_a_streamed_answer_is_the_text_alone(content):
    assert "".join(wrapped(AIMessage(content=content)).stream(ASKED)) == "Hello you."


def test_reasoning_beside_the_content_is_no_part_of_it():
    message = AIMessage(content="Hello you.", additional_kwargs={"reasoning_content": "Hm."})

    assert wrapped(message).complete(ASKED) == "Hello you."


NOTHING = {
    "empty": "",
    "blank": " \n",
    "nothing but a thought": "<think>Hm.</think>",
    "a thought cut short": "<think>Hm.",
    "no blocks": [],
    "a block of thinking": [THOUGHT],
}


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("ask", ["complete", "stream"])
def test_an_answer_of_no_words_is_an_error(content, ask):
    with pytest.raises(ChatModelError) as caught:
        list(getattr(wrapped(AIMessage(content=content)), ask)(ASKED))

    assert (type(caught.value), str(caught.value)) == (
        ChatModelError,
        "the model 'speaker' returned an empty answer. Try again, or with more tokens for it.",
    )


def test_what_is_no_message_is_an_error():
    model = LangChainChatModel(RunnableLambda(lambda messages: {"messages": [SECRET]}), name="agent")

    for ask in (model.complete, model.stream, lambda messages: model.complete_json(messages, SCHEMA)):
        with pytest.raises(ChatModelError, match=r"'agent' returned a (dict|AddableDict), not a message") as caught:
            list(ask(ASKED))
        assert SECRET not in str(caught.value)


def test_a_runnable_that_ends_in_text_is_a_model():
    model = LangChainChatModel(Speaker(respond=saying("Hello.")) | RunnableLambda(lambda message: message.content))

    assert (model.complete(ASKED), list(model.stream(ASKED))) == ("Hello.", ["Hello."])


# -- streams ------------------------------------------------------------------------------------


def test_a_stream_comes_in_the_pieces_of_the_model():
    model = Streamer(chunks=["<thi", "nk>Hm.</think> ", "Hello ", [{"type": "text", "text": "you"}], "", "."])
    assert list(LangChainChatModel(model).stream(ASKED)) == ["Hello ", "you", "."]
    assert [[each.content for each in asked] for asked in model.asked] == [["Be brief.", SECRET]]


def test_closing_a_stream_closes_the_models():
    model = Streamer(chunks=["Hello ", "you", "."])
    pieces = LangChainChatModel(model).stream(ASKED)
    assert (next(pieces), model.closed) == ("Hello ", False)

    pieces.close()

    assert model.closed


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_stream_without_its_end_broke_off(provider):
    """A connection that is cut may look like one that was closed; half an answer would be remembered."""
    begun = [
        AIMessageChunk(content=text, response_metadata={"model_provider": provider}) for text in ("Hello ", "you.")
    ]
    for metadata in ({"finish_reason": "stop"}, {"stop_reason": "end_turn"}, {"status": "completed"}):
        ended = AIMessageChunk(content="", response_metadata=metadata)
        assert list(LangChainChatModel(Streamer(chunks=[*begun, ended])).stream(ASKED)) == ["Hello ", "you."]
    pieces = LangChainChatModel(Streamer(chunks=begun)).stream(ASKED)
    assert [next(pieces), next(pieces)] == ["Hello ", "you."]
    with pytest.raises(ChatModelError, match="broke off before its end"):
        next(pieces)


def test_a_stream_of_a_model_that_never_says_why_it_ends_is_whole():
    assert list(LangChainChatModel(Streamer(chunks=["Hello."])).stream(ASKED)) == ["Hello."]


# -- what it costs ------------------------------------------------------------------------------


def counted(answer):
    count = default_counter()
    return TokenUsage(calls=1, prompt_tokens=count("Be brief.") + count(SECRET), completion_tokens=count(answer))


def test_usage_is_the_models_count_else_ours():
    model = wrapped(AIMessage(content="Hello.", usage_metadata=USAGE), "Good morning to you.")
    model.complete(ASKED)
    assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)

    model.complete(ASKED)
    assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3) + counted("Good morning to you.")


def test_the_usage_of_a_stream_is_that_of_its_chunks_together():
    begun = {"input_tokens": 7, "output_tokens": 0, "total_tokens": 7}
    ended = {"input_tokens": 0, "output_tokens": 3, "total_tokens": 3}
    model = LangChainChatModel(
        Streamer(chunks=[AIMessageChunk("Hi", usage_metadata=begun), AIMessageChunk("!", usage_metadata=ended)])
    )
    list(model.stream(ASKED))

    assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)


def test_a_stream_that_was_closed_has_cost_what_was_said():
    model = LangChainChatModel(Streamer(chunks=["Hello ", "you."]))
    pieces = model.stream(ASKED)
    next(pieces)
    pieces.close()

    assert model.usage == counted("Hello ")


def test_an_answer_that_cannot_be_used_has_cost_its_tokens_and_an_error_none():
    model = wrapped(AIMessage(content="", usage_metadata=USAGE), OSError())
    for _ in range(2):
        with pytest.raises(ChatModelError):
            model.complete(ASKED)
    failing = LangChainChatModel(Streamer(chunks=[OSError()]))
    with pytest.raises(ChatModelError):
        list(failing.stream(ASKED))

    assert (model.usage, failing.usage) == (
        TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3),
        TokenUsage(),
    )


# -- where it is used ---------------------------------------------------------------------------


def test_threads_share_a_model():
    model = LangChainChatModel(
        Speaker(respond=lambda messages, options: AIMessage(messages[0].content.upper(), usage_metadata=USAGE))
    )
    texts = [f"text {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: model.complete([ChatMessage(role="user", content=text)]), texts))

    assert found == [text.upper() for text in texts]
    assert model.usage == TokenUsage(calls=40, prompt_tokens=280, completion_tokens=120)


@pytest.mark.parametrize("travel", [lambda model: pickle.loads(pickle.dumps(model)), copy.copy, copy.deepcopy])
def test_a_model_travels_if_what_it_wraps_does(travel):
    model = LangChainChatModel(FakeListChatModel(responses=["Hello."]), name="mine")
    model.complete(ASKED)
    arrived = travel(model)

    assert (arrived.name, arrived.usage) == ("mine", TokenUsage())
    assert arrived.complete(ASKED) == "Hello."
    assert arrived.usage == counted("Hello.")


@pytest.mark.parametrize("ask", ["complete", "stream"])
def test_an_answer_to_a_user_belongs_to_the_chain_it_is_given_in(ask):
    heard = Heard()
    model = wrapped("Hello.")
    chain = RunnableLambda(lambda messages: "".join(getattr(model, ask)(messages)))

    assert chain.invoke(ASKED, {"callbacks": [heard]}) == "Hello."
    assert heard.calls == [(SECRET, True)]


def test_what_the_engine_asks_for_itself_is_not_told_to_the_chain_it_happens_in():
    """A flush in one user's chain may read another's pages."""
    heard = Heard()
    model = wrapped("{}")
    chain = RunnableLambda(lambda messages: model.complete_json(messages, SCHEMA))

    assert chain.invoke(ASKED, {"callbacks": [heard]}) == "{}"
    assert (heard.calls, model.usage.calls) == ([], 1)


def test_what_the_engine_asks_for_itself_has_a_name_of_its_own_where_the_model_is_traced():
    heard = Heard()
    LangChainChatModel(Speaker(respond=saying("{}"), callbacks=[heard])).complete_json(ASKED, SCHEMA)

    assert (heard.names, len(heard.calls)) == (["memoryos facts"], 1)
