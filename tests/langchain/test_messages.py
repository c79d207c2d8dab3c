"""LangChain's messages of every class become what a turn keeps of them, and pages become messages again."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)

from memoryos_engine import DialoguePage
from memoryos_integrations.content import content_text
from memoryos_integrations.langchain.messages import as_message, as_messages, is_summary, page_id
from memoryos_integrations.turns import Message, turns_of

CALL = {"name": "look", "args": {"what": "it"}, "id": "call_1", "type": "tool_call"}
BAD_CALL = {"name": "look", "args": "{", "id": "call_1", "error": None, "type": "invalid_tool_call"}
CALL_CHUNK = {"name": "look", "args": '{"wh', "id": "call_1", "index": 0, "type": "tool_call_chunk"}
TEXT, IMAGE = {"type": "text", "text": "Hello"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}}


def user(text: str = "Hello") -> Message:
    return Message(role="user", text=text)


def agent(text: str = "Hello", *, asks_tools: bool = False) -> Message:
    return Message(role="agent", text=text, asks_tools=asks_tools)


def other(text: str = "Hello") -> Message:
    return Message(role="other", text=text)


KEPT = {
    "human": (HumanMessage("Hello"), user()),
    "human, streamed": (HumanMessageChunk("Hello"), user()),
    "ai": (AIMessage("Hello"), agent()),
    "ai, streamed": (AIMessageChunk("Hello"), agent()),
    "system": (SystemMessage("Hello"), other()),
    "tool": (ToolMessage("Hello", tool_call_id="1"), other()),
    "function": (FunctionMessage("Hello", name="f"), other()),
    "removal": (RemoveMessage(id="1"), Message(role="other", id="1")),
    "chat: user": (ChatMessage("Hello", role="user"), user()),
    "chat: Human": (ChatMessage("Hello", role="Human"), user()),
    "chat: assistant": (ChatMessage("Hello", role="assistant"), agent()),
    "chat: AI": (ChatMessage("Hello", role="AI"), agent()),
    "chat: assistant, streamed": (ChatMessageChunk("Hello", role="assistant"), agent()),
    "chat: developer": (ChatMessage("Hello", role="developer"), other()),
    "blocks of a human": (HumanMessage([TEXT, IMAGE, "there"]), user("Hello\n[image]\nthere")),
    "blocks of an ai": (AIMessage(["Hel", {"type": "text", "text": "lo"}]), agent()),
    "no content": (AIMessage(""), agent("")),
    "no blocks": (AIMessage([]), agent("")),
    "half a character": (HumanMessage("Hello \ud83d"), user("Hello \ufffd")),
    # tools
    "a call": (AIMessage("", tool_calls=[CALL]), agent("", asks_tools=True)),
    "a call and a word": (AIMessage("Hello", tool_calls=[CALL]), agent(asks_tools=True)),
    "a call that is broken": (AIMessage("", invalid_tool_calls=[BAD_CALL]), agent("", asks_tools=True)),
    "a call in pieces": (AIMessageChunk("", tool_call_chunks=[CALL_CHUNK]), agent("", asks_tools=True)),
    "a function call of old": (
        AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}}),
        agent("", asks_tools=True),
    ),
    "a call of OpenAI's": (
        AIMessage(
            "",
            additional_kwargs={"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
        ),
        agent("", asks_tools=True),
    ),
    "a call among blocks": (
        AIMessage([TEXT, {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}], tool_calls=[CALL]),
        agent(asks_tools=True),
    ),
    "a tool that the provider ran": (
        AIMessage([{"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}}, TEXT]),
        agent(),
    ),
    "a thought": (AIMessage([{"type": "thinking", "thinking": "Hm"}, TEXT]), agent()),
    "a thought beside the content": (AIMessage("Hello", additional_kwargs={"reasoning_content": "Hm"}), agent()),
    # what OpenAI says beside the content
    "a refusal": (AIMessage("", additional_kwargs={"refusal": "Hello"}), agent()),
    "a refusal that is none": (AIMessage("Hello", additional_kwargs={"refusal": None}), agent()),
    "an answer beside a refusal": (AIMessage("Hello", additional_kwargs={"refusal": "No"}), agent()),
    "an audio's words": (AIMessage("", additional_kwargs={"audio": {"data": "UklGR", "transcript": "Hello"}}), agent()),
    "an audio without words": (AIMessage("", additional_kwargs={"audio": {"data": "UklGR"}}), agent("")),
    "an audio that is none": (AIMessage("", additional_kwargs={"audio": "UklGR"}), agent("")),
}  # fmt: skip


@pytest.mark.parametrize(("message", "kept"), KEPT.values(), ids=KEPT)
def test_a_turn_keeps_the_role_the_words_and_whether_tools_are_asked(message, kept):
    assert as_message(message) == kept


@pytest.mark.parametrize(("message", "kept"), KEPT.values(), ids=KEPT)
def test_a_message_that_was_stored_and_loaded_by_langchain_says_the_same(message, kept):
    (loaded,) = messages_from_dict([message_to_dict(message)])

    assert as_message(loaded) == kept


def test_the_id_is_langchains():
    assert as_message(HumanMessage("Hello", id="1")) == Message(role="user", text="Hello", id="1")


PIECES = {
    "texts": (["Hel", "lo ", "there"], "Hello there"),
    "blocks with an index": (
        [[{"type": "text", "text": "Hel", "index": 0}], [{"type": "text", "text": "lo", "index": 0}]],
        "Hello",
    ),
    "blocks without": ([[{"type": "text", "text": "Hel"}], [{"type": "text", "text": "lo"}]], "Hello"),
    "a text, then blocks": (["Hel", [{"type": "text", "text": "lo"}]], "Hello"),
    "blocks, then a text": ([[{"type": "thinking", "thinking": "Hm", "index": 0}], "Hel", "lo"], "Hello"),
    "a character in two": (["\ud83d", "\ude00"], "\U0001f600"),
}


@pytest.mark.parametrize(("contents", "text"), PIECES.values(), ids=PIECES)
def test_an_answer_that_came_in_pieces_is_one(contents, text):
    whole = AIMessageChunk("")
    for content in contents:
        whole = whole + AIMessageChunk(content)

    assert as_message(whole) == agent(text)


def test_a_call_that_came_in_pieces_asks_tools():
    first, second = ({**CALL_CHUNK, "args": '{"what":'}, {**CALL_CHUNK, "name": None, "id": None, "args": ' "it"}'})
    whole = AIMessageChunk("", tool_call_chunks=[first]) + AIMessageChunk("", tool_call_chunks=[second])

    assert as_message(whole) == agent("", asks_tools=True)


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)
blocks = words | st.builds(lambda text: {"type": "text", "text": text}, words)


@given(st.lists(blocks, max_size=5))
@example(["\r"])
def test_what_an_ai_says_is_what_langchain_says_it_says(content):
    message = AIMessage(content)
    parts = [block if isinstance(block, str) else block["text"] for block in content]

    assert as_message(message).text == str(message.text) == "".join(parts)


# -- pages as messages -----------------------------------------------------------------------------------


def page(place: int, said: str, answer: str) -> DialoguePage:
    moment = datetime(2024, 3, 1, tzinfo=timezone.utc)
    return DialoguePage(
        id=f"page_{place}", session_id="s", user_input=said, agent_response=answer, timestamp=moment, sequence=place
    )


def test_a_page_is_a_message_for_each_side_that_says_something():
    pages = [page(0, "Q", "A"), page(1, "R", ""), page(2, "", "B"), page(3, " ", "C"), page(4, "S", "\n")]

    assert as_messages(pages) == [
        HumanMessage("Q", id="page_0:user"),
        AIMessage("A", id="page_0:agent"),
        HumanMessage("R", id="page_1:user"),
        AIMessage("B", id="page_2:agent"),
        AIMessage("C", id="page_3:agent"),
        HumanMessage("S", id="page_4:user"),
    ]


def test_the_ids_of_the_messages_lead_back_to_the_pages():
    messages = as_messages([page(0, "Q", "A"), page(1, "R", "")])

    assert [page_id(message.id or "") for message in messages] == ["page_0", "page_0", "page_1"]


@pytest.mark.parametrize(
    "foreign", ["", "1", "page_0", "run-1:user", ":user", "lc_page_0:user", "page_0:user:1", "page_0:tool"]
)
def test_ids_that_are_not_ours_lead_nowhere(foreign):
    assert page_id(foreign) is None


def test_the_ids_of_stored_pages_lead_back_to_them(system):
    memory = system.memory("tom")
    stored = memory.add_memory("Q", "A")

    assert {page_id(message.id or "") for message in as_messages(memory.pages())} == {stored.id}


sides = st.sampled_from(("", " ", "Q", "two\nlines", "\x00", "\U0001f600"))


@given(st.lists(st.tuples(sides, sides).filter(lambda pair: any(map(str.strip, pair))), max_size=6))
def test_pages_that_become_messages_say_the_same_as_turns(pairs):
    """Where no answer stands alone: one to nobody would be taken for the answer to the question before it."""
    pairs = [(said, answer) for said, answer in pairs if said.strip()]
    messages = as_messages(page(place, *sides) for place, sides in enumerate(pairs))
    turns = turns_of(map(as_message, messages))

    assert [(turn.user_input, turn.agent_response.strip()) for turn in turns] == [
        (said, answer.strip()) for said, answer in pairs
    ]


STANDARD = [
    {"type": "reasoning", "reasoning": "Hm"},
    {"type": "text", "text": "Look: "},
    {"type": "text", "text": "here.", "annotations": [{"type": "citation", "url": "https://a.example"}]},
    {"type": "image", "base64": "iVBORw0KGgo", "mime_type": "image/png"},
    {"type": "non_standard", "value": {"type": "refusal", "refusal": "No more."}},
]
SAID = "Look: here.\n[image]\nNo more."


def test_langchains_standard_blocks_say_what_the_content_says():
    """`content_blocks` is how LangChain shows any provider's content."""
    message = AIMessage(content_blocks=STANDARD)

    assert as_message(message).text == content_text(message.content_blocks, flowing=True) == SAID


ANTHROPIC = [
    {"type": "thinking", "thinking": "Hm", "signature": "x"},
    {"type": "text", "text": "It is "},
    {"type": "text", "text": "green", "citations": [
        {"type": "char_location", "cited_text": "green", "document_index": 0, "document_title": "D",
         "start_char_index": 0, "end_char_index": 5},
    ]},
    {"type": "text", "text": "."},
]  # fmt: skip
RESPONSES = [
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
    {"type": "text", "text": "First.", "annotations": [], "id": "msg_1"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "text", "text": "Second.", "annotations": [], "id": "msg_2"},
    {"type": "refusal", "refusal": "No more."},
]


@pytest.mark.parametrize(
    ("provider", "content", "text"),
    [("anthropic", ANTHROPIC, "It is green."), ("openai", RESPONSES, "First.\nSecond.\nNo more.")],
)
def test_a_providers_blocks_say_the_same_once_langchain_made_them_standard(provider, content, text):
    message = AIMessage(content, response_metadata={"model_provider": provider})

    assert as_message(message).text == text
    assert content_text(message.content_blocks, flowing=True) == text


@pytest.mark.parametrize(
    ("message", "summary"),
    [
        (HumanMessage("Here is a summary of the conversation to date:\n\nTom likes tea."), True),
        (HumanMessage("Tom likes tea.", additional_kwargs={"lc_source": "summarization"}), True),
        (AIMessage("Here is a summary of the conversation to date:\n\nYou like tea."), False),
        (HumanMessage("Give me a summary."), False),
    ],
)
def test_only_what_stands_in_the_users_name_and_was_not_said_is_a_summary(message, summary):
    assert is_summary(message) is summary
