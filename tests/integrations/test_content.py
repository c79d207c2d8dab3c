"""What is remembered of content in the shapes that providers and hosts really use, and of any other."""

from __future__ import annotations

import json
from collections import OrderedDict
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryos_integrations.content import content_text

DATA = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg"
BASE64 = "iVBORw0KGgoAAAANSUhEUg"

SHAPES = {
    "text": ("Hello", "Hello"),
    "nothing": (None, ""),
    "no blocks": ([], ""),
    "strings": (["Hello", "there"], "Hello\nthere"),
    "one block alone": ({"type": "text", "text": "Hello"}, "Hello"),
    "a tuple": (("Hello", {"type": "text", "text": "there"}), "Hello\nthere"),
    "mappings that are no dict": (
        [MappingProxyType({"type": "text", "text": "a"}), OrderedDict(type="text", text="b")],
        "a\nb",
    ),
    "blank lines stay as they are": ("  a\n\n b ", "  a\n\n b "),
    # OpenAI, chat completions
    "openai: text and a picture": (
        [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://a.example/cat.png", "detail": "low"}},
        ],
        "What is this?\n[image: https://a.example/cat.png]",
    ),
    "openai: a picture as bytes": ([{"type": "image_url", "image_url": {"url": DATA}}], "[image]"),
    "openai: a picture as a string": ([{"type": "image_url", "image_url": DATA}], "[image]"),
    "openai: an address as a string": ([{"type": "image_url", "image_url": "https://a.example"}], "[image: https://a.example]"),
    "openai: audio": ([{"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}}], "[audio]"),
    "openai: a file": (
        [{"type": "file", "file": {"filename": "a report.pdf", "file_data": DATA}}],
        "[file: a report.pdf]",
    ),
    "openai: a file by id": ([{"type": "file", "file": {"file_id": "file-abc123"}}], "[file]"),
    "openai: a refusal": ([{"type": "refusal", "refusal": "I can't help with that."}], "I can't help with that."),
    # OpenAI, responses
    "responses: input": (
        [
            {"type": "input_text", "text": "Read this"},
            {"type": "input_image", "image_url": DATA, "detail": "auto"},
            {"type": "input_image", "image_url": "https://a.example/b.png"},
            {"type": "input_file", "filename": "a.pdf", "file_data": DATA},
            {"type": "input_file", "file_url": "https://a.example/c.pdf"},
        ],
        "Read this\n[image]\n[image: https://a.example/b.png]\n[file: a.pdf]\n[file: https://a.example/c.pdf]",
    ),
    "responses: output as LangChain keeps it": (
        [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "They want news."}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "news"}},
            {"type": "text", "id": "msg_1", "text": "Here it is.", "annotations": [{"type": "url_citation"}]},
            {"type": "refusal", "refusal": "No more than that."},
            {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": BASE64},
            {"type": "code_interpreter_call", "code": "print(1)", "outputs": [{"type": "logs", "logs": "1"}]},
            {"type": "mcp_call", "name": "ask", "arguments": "{}", "output": "secret"},
            {"type": "mcp_list_tools", "tools": []},
            {"type": "mcp_approval_request", "name": "ask"},
            {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": DATA}},
            {"type": "local_shell_call", "action": {"command": ["ls"]}},
            {"type": "custom_tool_call", "input": "x"},
            {"type": "compaction", "encrypted_content": "x"},
        ],
        "Here it is.\nNo more than that.\n[image]",
    ),
    "responses: output items as they are": (
        [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "One."}]},
            {"type": "function_call", "name": "f", "arguments": "{}"},
            {"type": "message", "role": "assistant", "content": "Two."},
        ],
        "One.\nTwo.",
    ),
    "assistants: text as a mapping": ([{"type": "text", "text": {"value": "Hello", "annotations": []}}], "Hello"),
    # Anthropic
    "anthropic: thoughts and tools": (
        [
            {"type": "thinking", "thinking": "Let me see.", "signature": "abc"},
            {"type": "redacted_thinking", "data": "abc"},
            {"type": "text", "text": "I'll look."},
            {"type": "tool_use", "id": "tu_1", "name": "look", "input": {"what": "it"}},
            {"type": "input_json_delta", "partial_json": '{"a":'},
            {"type": "server_tool_use", "id": "stu_1", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "content": [{"type": "web_search_result", "title": "A page"}]},
            {"type": "bash_code_execution_tool_result", "content": {"stdout": "secret"}},
            {"type": "mcp_tool_use", "name": "x", "input": {}},
            {"type": "text", "text": "Found."},
        ],
        "I'll look.\nFound.",
    ),
    "anthropic: what a tool said, nested": (
        [
            {"type": "tool_result", "content": [{"type": "text", "text": "secret"}, {"type": "image"}]},
            {"type": "text", "text": "And now?"},
        ],
        "And now?",
    ),
    "anthropic: a sentence in pieces, because it cites": (
        [
            {"type": "text", "text": "The grass is "},
            {"type": "text", "text": "green", "citations": [{"type": "char_location", "cited_text": "grass is green"}]},
            {"type": "text", "text": ", they say."},
        ],
        "The grass is green, they say.",
    ),
    "anthropic: the same after LangChain made it standard": (
        [
            {"type": "text", "text": "The grass is "},
            {"type": "text", "text": "green", "annotations": [{"type": "citation", "cited_text": "grass is green"}]},
        ],
        "The grass is green",
    ),
    "anthropic: no citations": ([{"type": "text", "text": "a", "citations": None}, {"text": "b"}], "a\nb"),
    "anthropic: pictures": (
        [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BASE64}},
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        ],
        "[image]\n[image: https://a.example/b.png]\n[image]",
    ),
    "anthropic: documents": (
        [
            {"type": "document", "title": "My CV", "source": {"type": "text", "data": "A long text"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": BASE64}},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "A long text"}]}},
            {"type": "container_upload", "file_id": "file_1"},
        ],
        "[file: My CV]\n[file]\n[file]\n[file]",
    ),
    # Gemini
    "gemini: parts": (
        [
            {"text": "Look", "thought": False},
            {"text": "Hm, what could this be", "thought": True},
            {"inline_data": {"mime_type": "image/png", "data": BASE64}},
            {"inlineData": {"mimeType": "audio/wav", "data": BASE64}},
            {"file_data": {"mime_type": "video/mp4", "file_uri": "https://a.example/v.mp4"}},
            {"function_call": {"name": "f", "args": {}}},
            {"functionResponse": {"name": "f", "response": {"text": "secret"}}},
            {"executable_code": {"code": "print(1)"}},
        ],
        "Look\n[image]\n[audio]\n[video: https://a.example/v.mp4]",
    ),
    "gemini: as LangChain keeps it": (
        [
            {"type": "thinking", "thinking": "Hm", "signature": "x"},
            {"type": "executable_code", "executable_code": "print(1)"},
            {"type": "code_execution_result", "code_execution_result": "1"},
            {"type": "media", "mime_type": "image/jpeg", "data": BASE64},
            {"type": "media", "mime_type": "application/pdf", "file_uri": "gs://bucket/a.pdf"},
            "It is 1.",
        ],
        "[image]\n[file: gs://bucket/a.pdf]\nIt is 1.",
    ),
    # Bedrock
    "bedrock: converse": (
        [
            {"text": "Look"},
            {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}},
            {"document": {"format": "pdf", "name": "my report", "source": {"bytes": b"%PDF"}}},
            {"toolUse": {"name": "f", "input": {}}},
            {"reasoningContent": {"reasoningText": {"text": "Hm"}}},
            {"cachePoint": {"type": "default"}},
            {"type": "reasoning_content", "reasoning_content": {"text": "Hm"}},
            {"type": "guard_content", "text": "Guarded"},
        ],
        "Look\n[image]\n[file: my report]\nGuarded",
    ),
    # LangChain's own
    "langchain v1": (
        [
            {"type": "reasoning", "reasoning": "Hm"},
            {"type": "text", "text": "Look", "id": "lc_1"},
            {"type": "image", "base64": BASE64, "mime_type": "image/png"},
            {"type": "image", "url": "https://a.example/b.png"},
            {"type": "audio", "file_id": "file_1"},
            {"type": "video", "url": DATA},
            {"type": "file", "base64": BASE64, "mime_type": "application/pdf", "extras": {"filename": "a.pdf"}},
            {"type": "text-plain", "mime_type": "text/plain", "text": "A long text", "title": "Notes"},
            {"type": "tool_call", "name": "f", "args": {"text": "secret"}, "id": "1"},
            {"type": "tool_call_chunk", "name": "f", "args": "{"},
            {"type": "invalid_tool_call", "name": "f", "args": "{", "error": "cut"},
            {"type": "server_tool_call", "name": "f", "args": {}},
            {"type": "server_tool_call_chunk", "args": "{"},
            {"type": "server_tool_result", "output": "secret"},
        ],
        "Look\n[image]\n[image: https://a.example/b.png]\n[audio]\n[video]\n[file: a.pdf]\n[file: Notes]",
    ),
    "langchain v1: what it does not know is wrapped": (
        [
            {"type": "non_standard", "value": {"type": "refusal", "refusal": "No."}},
            {"type": "non_standard", "value": {"type": "thinking", "thinking": "Hm"}},
            {"type": "non_standard", "value": {"type": "non_standard", "value": {"text": "Twice"}}},
        ],
        "No.\nTwice",
    ),
    "langchain v0": (
        [
            {"type": "image", "source_type": "base64", "data": BASE64, "mime_type": "image/png"},
            {"type": "image", "source_type": "url", "url": "https://a.example/b.png"},
            {"type": "file", "source_type": "text", "text": "A long text", "metadata": {"filename": "notes.txt"}},
        ],
        "[image]\n[image: https://a.example/b.png]\n[file: notes.txt]",
    ),
    # LlamaIndex, dumped
    "llamaindex": (
        [
            {"block_type": "text", "text": "Look"},
            {"block_type": "image", "image": BASE64, "path": None, "url": None, "image_mimetype": "image/png"},
            {"block_type": "image", "image": None, "path": "/home/ann/cat.png", "url": None},
            {"block_type": "document", "data": BASE64, "title": "input_document", "document_mimetype": "x/pdf"},
            {"block_type": "audio", "audio": BASE64, "format": "wav"},
            {"block_type": "citable", "title": "A book", "content": [{"block_type": "text", "text": "Long"}]},
            {"block_type": "citation", "cited_content": {"block_type": "text", "text": "Long"}, "title": "y"},
            {"block_type": "cache", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
            {"block_type": "thinking", "content": "Hm", "num_tokens": 1},
            {"block_type": "tool_call", "tool_name": "f", "tool_kwargs": {}},
        ],
        "Look\n[image]\n[image: cat.png]\n[file: input_document]\n[audio]\n[file: A book]",
    ),
    # Others
    "mistral": (
        [
            {"type": "text", "text": "See"},
            {"type": "reference", "reference_ids": [1, 2]},
            {"type": "document_url", "document_url": "https://a.example/d.pdf"},
        ],
        "See\n[file: https://a.example/d.pdf]",
    ),
    "a type nobody knows that holds words": ([{"type": "paragraph", "text": "Hello"}], "Hello"),
    "a type nobody knows": ([{"type": "hologram", "data": BASE64, "name": "a\ncat"}], "[hologram: a cat]"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "text"), SHAPES.values(), ids=SHAPES)
def test_what_is_said_is_kept_and_what_is_not_leaves_a_mark_or_nothing(content, text):
    assert content_text(content) == text


GARBAGE = {
    "a number": (7, ""),
    "bytes": (b"Hello", ""),
    "a set, which has no order": ({"a", "b"}, ""),
    "parts that are nothing": ([None, 7, True, [], ["nested"], b"x"], ""),
    "an empty mapping": ([{}], ""),
    "an empty key": ([{"": "x"}], ""),
    "a mapping of strangers": ([{"a": "b", 1: 2}], ""),
    "text that is none": ([{"type": "text", "text": None}, {"type": "text"}, {"type": "text", "text": ["a"]}], ""),
    "a refusal that is none": ([{"type": "refusal", "refusal": {"a": "b"}}], ""),
    "a type that is none": ([{"type": {"secret": BASE64}, "text": "Hello"}, {"type": ["x"]}, {"type": None}], "Hello"),
    "a type that holds data": ([{"type": DATA}], "[content]"),
    "a type that is a text": ([{"type": "x" * 1000}], "[content]"),
    "an empty type": ([{"type": "", "text": "Hello"}], "Hello"),
    "a wrapping around nothing": (
        [{"type": "non_standard", "value": None}, {"type": "message", "content": None}, {"type": "message"}],
        "[message]",
    ),
    "names that are data": (
        [{"type": "file", "name": DATA}, {"type": "file", "title": " DATA:x/y,x"}, {"type": "image", "url": "DATA:x"}],
        "[file]\n[file]\n[image]",
    ),
    "an address that is none": ([{"type": "image", "url": BASE64}, {"type": "image", "url": {}}], "[image]\n[image]"),
    "too long names": ([{"type": "file", "name": "x" * 201}, {"image": {"name": "x " * 101}}], "[file]\n[image]"),
    "the longest name": ([{"type": "file", "name": "x" * 200}], f"[file: {'x' * 200}]"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "text"), GARBAGE.values(), ids=GARBAGE)
def test_garbage_says_nothing_and_raises_nothing(content, text):
    assert content_text(content) == text


def test_a_block_that_holds_itself_ends():
    block = {"type": "non_standard"}
    block["value"] = block

    assert content_text([block, "Hello"]) == "Hello"


def test_blocks_nested_without_end_end():
    block = {"text": "lost"}
    for _ in range(100_000):
        block = {"type": "message", "content": [block]}

    assert content_text([block, "Hello"]) == "Hello"


FLOWING = {
    "texts of a model go on": (["Hel", {"type": "text", "text": "lo"}], "Hello"),
    "tools stand between two thoughts": (
        [{"type": "text", "text": "I look."}, {"type": "tool_use"}, {"type": "text", "text": "It is."}],
        "I look.\nIt is.",
    ),
    "a mark stands alone": (["See", {"type": "image"}, "there"], "See\n[image]\nthere"),
    "two messages of one answer": (
        [{"type": "text", "text": "One.", "id": "msg_1"}, {"type": "text", "text": "Two.", "id": "msg_2"}],
        "One.\nTwo.",
    ),
    "two parts of one message": (
        [{"type": "text", "text": "One, ", "id": "msg_1"}, {"type": "text", "text": "two.", "id": "msg_1"}],
        "One, two.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "text"), FLOWING.values(), ids=FLOWING)
def test_what_a_model_writes_flows(content, text):
    assert content_text(content, flowing=True) == text


SURROGATES = {
    "half of one": ("Hi \ud83d!", "Hi \ufffd!"),
    "the other half": ("Hi \ude00!", "Hi \ufffd!"),
    "both are their character": ("Hi \ud83d\ude00!", "Hi \U0001f600!"),
    "the wrong way round": ("\ude00\ud83d", "\ufffd\ufffd"),
    "at the end": ("Hi \ud83d", "Hi \ufffd"),
    "what is whole stays as it is": (
        "سلام \U0001f600 \x00 \ufeff\ufffd e\u0301",
        "سلام \U0001f600 \x00 \ufeff\ufffd e\u0301",
    ),
}


@pytest.mark.parametrize(("content", "text"), SURROGATES.values(), ids=SURROGATES)
def test_text_becomes_what_a_store_takes(content, text):
    """Else the whole turn would be refused, for one broken emoji of a model."""
    assert content_text(content) == text


def test_an_emoji_that_came_in_two_pieces_is_whole_again():
    assert content_text(["\ud83d", "\ude00"], flowing=True) == "\U0001f600"


def test_a_name_becomes_what_a_store_takes():
    assert content_text([{"type": "file", "name": "\ud83d.pdf"}]) == "[file: \ufffd.pdf]"


any_text = st.text(st.characters(exclude_categories=()), max_size=20)
words = st.sampled_from(
    (
        "type",
        "text",
        "value",
        "content",
        "image",
        "image_url",
        "url",
        "name",
        "source",
        "file",
        "non_standard",
        "message",
    )
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | any_text, inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.booleans())
def test_any_content_that_json_can_form_is_text_that_can_be_stored(content, flowing):
    text = content_text(content, flowing=flowing)

    assert text.encode("utf-8").decode("utf-8") == text


whole_characters = st.characters(exclude_categories=("Cs",))


@given(st.text(whole_characters | st.just("\ud83d"), max_size=20))
def test_text_is_kept_to_the_letter_but_for_half_characters(text):
    kept = text.replace("\ud83d", "\ufffd")

    assert (content_text(text), content_text([{"type": "text", "text": text}])) == (kept, kept)


secret = "U0VDUkVUIGJ5dGVz" * 20


@given(
    json_values, st.sampled_from(("image", "audio", "file", "video", "document", "media", "tool_result", "input_image"))
)
def test_bytes_are_never_remembered_wherever_they_stand_in_a_block(around, kind):
    inner = {"data": secret, "base64": secret, "url": f"data:image/png;base64,{secret}", "bytes": secret.encode()}
    block = {
        "type": kind,
        "source": inner,
        "image_url": inner,
        "file": inner,
        **inner,
        "extras": {"x": inner},
        "near": around,
    }

    assert "U0VDUkVU" not in content_text([block])


@given(st.lists(st.text(whole_characters, min_size=1, max_size=5)))
def test_every_text_is_there_in_its_order(texts):
    blocks = [{"type": "text", "text": text} for text in texts]

    assert content_text(blocks) == "\n".join(texts)
    assert content_text(blocks, flowing=True) == "".join(texts)


def test_content_is_not_changed():
    content = SHAPES["langchain v1"][0]
    before = json.dumps(content)

    content_text(content)

    assert json.dumps(content) == before
