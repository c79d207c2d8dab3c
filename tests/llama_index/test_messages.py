"""What is remembered of LlamaIndex's messages, whatever they hold, and what a model gets to read of them again."""

from __future__ import annotations

import base64
import io
import itertools
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms import types

if not hasattr(types, "BaseContentBlock"):
    pytest.skip("older versions have no root of their blocks", allow_module_level=True)

from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.schema import ImageDocument

from memoryos_engine import DialoguePage
from memoryos_integrations.llama_index import MemoryOSMemory
from memoryos_integrations.llama_index.blocks import block_mappings, is_plain
from memoryos_integrations.llama_index.messages import (
    as_chat_messages,
    as_said,
    is_instruction,
    is_users,
    said_text,
    unfillable,
)
from memoryos_integrations.turns import Message, turns_of

from .recording import agent, calling, told, user

PNG = b"\x89PNG\r\n\x1a\n" + b"secret-bytes" * 20
BASE64 = base64.b64encode(PNG)
DATA = f"data:image/png;base64,{BASE64.decode()}"
SHORT_DATA = "data:image/png;base64,iVBORw0KGgo="
HELLO = TextBlock(text="Hello")


def quoted(content: object) -> CitationBlock:
    return CitationBlock(
        cited_content=content, source="bees.txt", title="On bees", additional_location_info={"page": 1}
    )


class OwnText(TextBlock):
    """A text of somebody's own."""


class OwnImage(ImageBlock):
    """A picture of somebody's own."""


class Hologram(BaseContentBlock):
    """A block that LlamaIndex does not have yet."""

    block_type: str = "hologram"
    title: str = "Cat"
    data: bytes = PNG


class Nameless(BaseContentBlock):
    """A block that does not say what it is."""


BLOCKS = {
    "text": (HELLO, "Hello"),
    "no text": (TextBlock(text=""), ""),
    "text with lines": (TextBlock(text="  a\n\n b "), "  a\n\n b "),
    "half a character": (TextBlock(text="Hello \ud83d"), "Hello \ufffd"),
    "an image by url": (ImageBlock(url="https://a.example/cat.png"), "[image: https://a.example/cat.png]"),
    "an image by a long url": (ImageBlock(url="https://a.example/" + "x" * 300), "[image]"),
    "an image by bytes": (ImageBlock(image=PNG), "[image]"),
    "an image by base64": (ImageBlock(image=BASE64), "[image]"),
    "an image by data url": (ImageBlock(url=DATA), "[image]"),
    "an image by short data url": (ImageBlock(url=SHORT_DATA), "[image]"),
    "an image by stream": (ImageBlock(image=io.BytesIO(PNG)), "[image]"),
    "no image": (ImageBlock(), "[image]"),
    "audio by url": (AudioBlock(url="https://a.example/a.wav"), "[audio: https://a.example/a.wav]"),
    "audio by bytes": (AudioBlock(audio=PNG, format="wav"), "[audio]"),
    "audio by stream": (AudioBlock(audio=io.BytesIO(PNG)), "[audio]"),
    "video by url": (VideoBlock(url="https://a.example/a.mp4"), "[video: https://a.example/a.mp4]"),
    "video by bytes": (VideoBlock(video=PNG), "[video]"),
    "a document by bytes": (DocumentBlock(data=PNG), "[file]"),
    "a document by stream": (DocumentBlock(data=io.BytesIO(PNG), document_mimetype="x/y"), "[file]"),
    "a document with a title": (DocumentBlock(data=PNG, title="a report.pdf"), "[file: a report.pdf]"),
    "a document by path": (DocumentBlock(path="/home/tom/report.pdf"), "[file: report.pdf]"),
    "a document by a path of Windows": (DocumentBlock(path="C:\\Users\\Tom\\report.pdf"), "[file: report.pdf]"),
    "a document by url": (DocumentBlock(url="https://a.example/c.pdf"), "[file: https://a.example/c.pdf]"),
    "a document by data url": (DocumentBlock(url=SHORT_DATA), "[file]"),
    "a cache point": (CachePoint(cache_control=CacheControl(type="ephemeral")), ""),
    "a source to cite": (CitableBlock(title="On bees", source="bees.txt", content="Bees dance."), "[file: On bees]"),
    "a quotation alone": (quoted("Bees dance."), "Bees dance."),
    "a quoted picture": (quoted(ImageBlock(image=PNG)), "[image]"),
    "a thought": (ThinkingBlock(content="Hm"), ""),
    "a thought that is not shown": (ThinkingBlock(), ""),
    "a tool call": (ToolCallBlock(tool_name="look", tool_kwargs={"what": "it"}), ""),
    "a text of one's own": (OwnText(text="Hello"), "Hello"),
    "a picture of one's own": (OwnImage(url="https://a.example/cat.png"), "[image: https://a.example/cat.png]"),
}
STRANGE = {
    "an unknown block": (Hologram(), "[hologram: Cat]"),
    "a block that does not say what it is": (Nameless(), "[Nameless]"),
    "no block at all": (object(), "[object]"),
}


@pytest.mark.parametrize(("block", "text"), (BLOCKS | STRANGE).values(), ids=BLOCKS | STRANGE)
def test_of_every_block_its_words_or_a_mark_are_remembered(block, text):
    """Never bytes; thoughts and tool traffic are not said to the user."""
    message = ChatMessage(role="user", blocks=[])
    message.blocks.append(block)

    assert said_text(message) == text


def test_an_image_by_path_is_remembered_by_its_name_and_not_read(tmp_path):
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    message = ChatMessage(role="user", blocks=[HELLO, ImageBlock(path=path)])
    path.unlink()

    assert said_text(message) == "Hello\n[image: cat.png]"


def test_every_block_of_the_installed_llamaindex_is_among_these():
    def subclasses(kind):
        return {kind, *(each for child in kind.__subclasses__() for each in subclasses(child))}

    theirs = {kind for kind in subclasses(BaseContentBlock) if kind.__module__ == BaseContentBlock.__module__}
    tested = {kind for block, _ in BLOCKS.values() for kind in type(block).__mro__}
    wrappings = {BaseContentBlock, ChatMessage, CacheControl}

    assert {kind for kind in theirs if not kind.__name__.startswith("Base")} - tested - wrappings == set()


MIXED = {
    "none": ([], ""),
    "texts": ([HELLO, TextBlock(text="there")], "Hello\nthere"),
    "text between pictures": (
        [ImageBlock(image=PNG), HELLO, ImageBlock(url="https://a.example/b.png")],
        "[image]\nHello\n[image: https://a.example/b.png]",
    ),
    "what is not said leaves no line": (
        [ThinkingBlock(content="Hm"), HELLO, ToolCallBlock(tool_name="f"), TextBlock(text=""), TextBlock(text="there")],
        "Hello\nthere",
    ),
    "a quotation beside the words is the source's": (
        [HELLO, quoted("Bees dance."), TextBlock(text="there"), quoted(ImageBlock(image=PNG))],
        "Hello\nthere",
    ),
    "a quotation beside an empty text": ([TextBlock(text=""), quoted("Bees dance.")], "Bees dance."),
    "everything": (
        [block for block, _ in BLOCKS.values()],
        "\n".join(text for block, text in BLOCKS.values() if text and not isinstance(block, CitationBlock)),
    ),
}


@pytest.mark.parametrize(("blocks", "text"), MIXED.values(), ids=MIXED)
def test_of_several_blocks_each_stands_on_lines_of_its_own(blocks, text):
    assert said_text(ChatMessage(role="user", blocks=blocks)) == text


@pytest.mark.parametrize(("block", "_"), BLOCKS.values(), ids=BLOCKS)
def test_nothing_of_the_callers_message_is_changed(block, _):
    """Nor is a stream read: the model is to read it yet."""
    message = ChatMessage(role="user", blocks=[block], additional_kwargs={"tool_calls": [{"id": "1"}]})
    streams = [value for value in vars(block).values() if isinstance(value, io.IOBase)]
    before = vars(block).copy(), message.additional_kwargs.copy()
    as_said([message])
    said_text(message)

    assert (vars(block), message.additional_kwargs) == before
    assert message.blocks == [block]
    assert [stream.tell() for stream in streams] == [0] * len(streams)


def test_blocks_become_mappings_without_what_they_hold():
    assert block_mappings([DocumentBlock(data=PNG, title="a.pdf"), ImageBlock(image=PNG)]) == [
        {"type": "document", "title": "a.pdf", "name": "", "url": "", "path": ""},
        {"type": "image", "title": "", "name": "", "url": "", "path": ""},
    ]


@pytest.mark.parametrize(
    ("blocks", "plain"),
    [
        ([HELLO], True),
        ([], False),
        ([HELLO, HELLO], False),
        ([OwnText(text="Hello")], False),
        ([ImageBlock(image=PNG)], False),
        ([HELLO, CachePoint(cache_control=CacheControl(type="ephemeral"))], False),
    ],
)
def test_plain_is_one_text_and_nothing_else(blocks, plain):
    assert is_plain(blocks) is plain


def test_pictures_of_old_are_marked():
    """LlamaIndex turns the images in additional_kwargs into blocks."""
    document = ImageDocument(image=BASE64.decode())
    message = ChatMessage(role="user", content="Hello", additional_kwargs={"images": [document]})

    assert said_text(message) == "Hello\n[image]"


# -- roles --------------------------------------------------------------------------------------------

ROLES = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "agent",
    MessageRole.CHATBOT: "agent",
    MessageRole.MODEL: "agent",
    MessageRole.SYSTEM: "other",
    MessageRole.DEVELOPER: "other",
    MessageRole.TOOL: "other",
    MessageRole.FUNCTION: "other",
}


def test_every_role_of_the_installed_llamaindex_is_among_these():
    assert set(ROLES) == set(MessageRole)


@pytest.mark.parametrize("assigned", [False, True], ids=["made", "assigned"])
@pytest.mark.parametrize(("role", "ours"), ROLES.items(), ids=[role.value for role in ROLES])
def test_who_speaks_is_told_from_the_role(role, ours, assigned):
    """Roles are not checked when they are assigned: a plain text may stand there."""
    message = ChatMessage(content="Hello", role=role)
    if assigned:
        message.role = role.value

    assert as_said([message])[0] == [Message(role=ours, text="Hello")]
    assert is_users(message) is (ours == "user")
    assert is_instruction(message) is (role in (MessageRole.SYSTEM, MessageRole.DEVELOPER))


# -- placeholders -------------------------------------------------------------------------------------

FILLED = ("query_str", "context_str", "context_msg", "existing_answer")


@pytest.mark.parametrize("name", FILLED)
def test_what_engines_fill_in_is_kept_from_it_and_read_as_it_was(name):
    text = f"Write {{{name}}} and {{{{{name}}}}}, {{x}} and {{{{y}}}}."
    kept = unfillable(text)

    assert f"{{{name}}}" not in kept
    assert kept.replace("\u2060", "") == text
    assert said_text(user(kept)) == text


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "{name}", "{{query}}", "query_str", '{"query_str": 1}', "{ query_str }"]
)
def test_other_braces_are_left_alone(text):
    assert unfillable(text) == text


def test_a_joiner_that_the_user_wrote_stays():
    assert said_text(user("{\u2060a} \u2060{b} {\u2060")) == "{\u2060a} \u2060{b} {\u2060"


# -- pages as messages --------------------------------------------------------------------------------


def page(said: str, heard: str) -> DialoguePage:
    return DialoguePage(id="1", session_id="desk", user_input=said, agent_response=heard, timestamp=None, sequence=0)


def test_pages_are_messages_of_the_sides_they_have():
    pages = [page("Q", "A"), page("R", ""), page("", "B"), page(" ", "\n")]

    assert told(as_chat_messages(pages)) == [("user", "Q"), ("assistant", "A"), ("user", "R"), ("assistant", "B")]


def test_messages_of_a_page_are_made_anew():
    pages = [page("Q", "A")]
    first = as_chat_messages(pages)
    first[0].blocks[0].text = "changed"
    first[1].additional_kwargs["x"] = 1

    assert [each.model_dump() for each in as_chat_messages(pages)] == [
        ChatMessage(content="Q", role="user").model_dump(),
        ChatMessage(content="A", role="assistant").model_dump(),
    ]


# -- the round trip -----------------------------------------------------------------------------------


@pytest.fixture
def memory(system):
    return MemoryOSMemory(memory=system.memory("tom", session_id="desk"))


def asking_about(block) -> ChatMessage:
    return ChatMessage(role="user", blocks=[TextBlock(text="What is this?"), block])


SHOWN = {name: block for name, (block, _) in BLOCKS.items() if not isinstance(block, TextBlock | ToolCallBlock)}


@pytest.mark.parametrize("block", SHOWN.values(), ids=SHOWN)
def test_a_question_is_shown_to_the_model_as_it_came_in_its_own_turn(memory, block):
    """Once, and last; what is remembered of it is its text."""
    message = asking_about(block)
    before = message.model_dump()
    memory.put(message)
    prompt = memory.get()

    assert [each.model_dump() for each in prompt] == [before]
    assert [type(each) for each in prompt[0].blocks] == [TextBlock, type(block)]
    assert message.model_dump() == before


def test_what_is_shown_is_made_anew_each_time(memory):
    """Hosts write into what they are given."""
    memory.put(asking_about(ImageBlock(image=PNG)))
    memory.get()[0].blocks.clear()

    assert [type(block) for block in memory.get()[0].blocks] == [TextBlock, ImageBlock]


def test_a_question_that_is_changed_after_it_was_put_is_shown_as_it_was_put(memory):
    message = asking_about(ImageBlock(image=PNG))
    memory.put(message)
    message.blocks.clear()

    assert [type(block) for block in memory.get()[0].blocks] == [TextBlock, ImageBlock]


def test_a_picture_stays_with_its_turn_when_the_conversation_goes_on(memory):
    memory.put(asking_about(ImageBlock(image=PNG)))
    memory.put(agent("A cat."))
    memory.put(user("What colour is it?"))
    prompt = [each for each in memory.get() if each.role is not MessageRole.SYSTEM]

    assert told(prompt) == [
        ("user", "What is this?"),
        ("assistant", "A cat."),
        ("user", "What colour is it?"),
    ]
    assert [len(each.blocks) for each in prompt] == [2, 1, 1]
    assert told(memory.get_all()) == told(prompt)


def test_after_a_restart_a_picture_is_text_that_says_what_was_there(open_system):
    system = open_system()
    memory = MemoryOSMemory(memory=system.memory("tom", session_id="desk"))
    memory.put(asking_about(ImageBlock(url="https://a.example/cat.png")))
    memory.put(agent("A cat."))
    system.close()
    again = MemoryOSMemory(memory=open_system().memory("tom", session_id="desk"))

    assert [each.model_dump() for each in again.get_all()] == [
        user("What is this?\n[image: https://a.example/cat.png]").model_dump(),
        agent("A cat.").model_dump(),
    ]


def test_no_byte_of_a_message_is_in_the_store(system, memory):
    blocks = [block for block, _ in BLOCKS.values() if not isinstance(block, ToolCallBlock)]
    memory.put(ChatMessage(role="user", blocks=[*blocks, ImageBlock(url=SHORT_DATA)]))
    memory.put(ChatMessage(role="assistant", blocks=[HELLO, ImageBlock(image=PNG)]))
    stored = repr(system._storage.store._collection.get(include=["documents", "metadatas"]))

    for secret in ("secret-bytes", BASE64.decode()[20:60], "iVBORw0KGgo", "base64"):
        assert secret not in stored


# -- any messages in any portions -----------------------------------------------------------------------

COUNT = itertools.count()
words = st.text(st.characters(exclude_categories=("Cs",)), max_size=8) | st.sampled_from(
    ("Hello", " ", "", "half \ud83d", "{query_str}", "Thought: I know.\nAnswer: Bees.", "Thought: Hm", "\x00")
)
blocks = st.one_of(
    st.builds(lambda text: TextBlock(text=text), words),
    st.builds(lambda text: ThinkingBlock(content=text), words),
    st.builds(lambda text: ToolCallBlock(tool_call_id="1", tool_name=text, tool_kwargs={"x": text}), words),
    st.sampled_from([block for block, _ in BLOCKS.values()]),
)
kwargs = st.sampled_from(
    (
        {},
        {"tool_call_id": "1"},
        {"name": "look"},
        {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
        {"tool_calls": 5},
        {"tool_calls": [None, 5, object()]},
        {"function_call": {"name": "f", "arguments": "{}"}},
        {"function_call": 5},
    )
)
any_messages = st.lists(
    st.builds(
        lambda role, listed, more: ChatMessage(role=role, blocks=listed, additional_kwargs=dict(more)),
        st.sampled_from(list(MessageRole)) | st.sampled_from((MessageRole.USER, MessageRole.ASSISTANT)),
        st.lists(blocks, max_size=3),
        kwargs,
    ),
    max_size=10,
)
portion_sizes = st.lists(st.integers(1, 4), max_size=10)


def questions(messages) -> list[str]:
    return [said_text(each) for each in messages if each.role is MessageRole.USER and said_text(each).strip()]


def once(texts: list[str]) -> list[str]:
    """A question that comes again before its answer is the same question: a model failed and is asked once more."""
    return [text for text, _ in groupby(texts)]


@given(any_messages, portion_sizes)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_put_every_text_of_the_user_is_in_exactly_one_page(system, messages, sizes):
    """In order and verbatim; what was handed over is as it was, and can be read back."""
    memory = MemoryOSMemory(memory=system.memory(f"user {next(COUNT)}", session_id="desk"))
    before = [(each.role, list(each.blocks), dict(each.additional_kwargs)) for each in messages]
    rest = messages
    for size in (*sizes, len(messages)):
        if size == 1 and rest:
            memory.put(rest[0])
        else:
            memory.put_messages(rest[:size])
        rest = rest[size:]
    pages = memory.memory.session_pages()

    assert once([each.user_input for each in pages if each.user_input]) == once(questions(messages))
    assert once([said_text(each) for each in memory.get_all() if is_users(each)]) == once(questions(messages))
    assert [(each.role, list(each.blocks), dict(each.additional_kwargs)) for each in messages] == before
    assert said_text(memory.get()[-1]) == (pages[-1].agent_response or pages[-1].user_input) if pages else True


def test_what_is_asked_twice_in_one_portion_is_asked_twice(system):
    memory = MemoryOSMemory(memory=system.memory("tom", session_id="desk"))
    for portion in ([user("Q")], [calling("look")], [agent("A"), user("Q"), user("Q")]):
        memory.put_messages(portion)

    assert [(each.user_input, each.agent_response) for each in memory.memory.pages()] == [
        ("Q", "A"),
        ("Q", ""),
        ("Q", ""),
    ]


@given(any_messages, any_messages)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_set_is_the_conversation_and_setting_it_again_stores_nothing(system, first, second):
    memory = MemoryOSMemory(memory=system.memory(f"user {next(COUNT)}", session_id="desk"))
    memory.set(first)
    memory.set(second)
    turns = turns_of(as_said([each for each in second if not is_instruction(each)])[0])
    pages = memory.memory.pages()

    sides = [(each.user_input, each.agent_response) for each in memory.memory.session_pages()]
    assert sorted(sides) == sorted((turn.user_input, turn.agent_response) for turn in turns)
    memory.set(second)
    assert memory.memory.pages() == pages
    held = sorted(each.user_input for each in pages if each.user_input)
    assert all(held.count(text) >= questions(first).count(text) for text in questions(first))


def test_messages_of_every_kind_are_read_without_an_error():
    """Each alone, and all in one list."""
    messages = [
        ChatMessage(role=role, blocks=[block], additional_kwargs=dict(more))
        for role in MessageRole
        for block, _ in BLOCKS.values()
        for more in ({}, {"tool_calls": [{"id": "1"}]}, {"function_call": 5}, {"tool_call_id": 7})
    ]
    said, _ = as_said(messages)

    assert [each.text for each in said] == [said_text(message) for message in messages]
