"""What a message holds, as the text that is remembered of it.

Hosts hold content as text or as a list of blocks. Text is taken as it is; what is no text
leaves a mark that says what was there, never its bytes; thoughts and tool traffic are not
said to the user and leave nothing.

Values in, text out, whatever the values: knows no framework, only the shapes that providers use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TEXT_KEYS = {
    "text": "text", "output_text": "text", "input_text": "text", "text_delta": "text", "guard_content": "text",
    "refusal": "refusal",
}  # fmt: skip
"""Type of a block that is said to the key its words stand under."""
_KINDS = {
    "image": "image", "image_url": "image", "input_image": "image", "image_generation_call": "image",
    "audio": "audio", "input_audio": "audio", "output_audio": "audio", "video": "video", "video_url": "video",
    "file": "file", "input_file": "file", "document": "file", "document_url": "file", "media": "file",
    "text-plain": "file", "citable": "file", "container_upload": "file",
    "inline_data": "file", "inlineData": "file", "file_data": "file", "fileData": "file",
}  # fmt: skip
"""Type of a block, or key of one without a type, to the word that marks it."""
_UNSAID = re.compile(
    r"thinking|reasoning|thought|summary_text|compaction|signature|tool|function|mcp_|_call|_output$|_delta$"
    r"|executable_code|code_execution|cache_?point|^(cache|citation|reference|item_reference)$",
    re.IGNORECASE,
)
_NAMES = ("filename", "file_name", "name", "title")
_PLACES = ("url", "file_uri", "fileUri", "image_url", "video_url", "document_url", "file_url", "file", "source")
_WRAPPINGS = {"non_standard": "value", "message": "content"}
"""Type of a block that holds others to the key they stand under."""
_PLAIN_KIND = re.compile(r"[\w.-]{1,40}")
_MOST_NAME = 200
_MOST_WRAPPINGS = 8
"""Wrappings around a block that are looked into; content may be nested without end."""


def content_text(content: object, *, flowing: bool = False) -> str:
    """Return what of a message's content is remembered; never raises.

    Args:
        content: text, or blocks: texts and mappings with a "type".
        flowing: whether neighbouring texts continue each other, as in what models write;
            else each stands on lines of its own.

    Returns:
        The text, with "[image]", "[audio]", "[video]", "[file: name]" or "[<type>]" for what is none;
        empty if nothing was said. Half of a surrogate pair, which no store takes, becomes U+FFFD.
    """
    text = ""
    before = _SILENCE
    for piece in _pieces(content, _MOST_WRAPPINGS):
        joint = "\n" if text and piece.text and not _continues(before, piece, flowing=flowing) else ""
        text += joint + piece.text
        before = piece
    return storable(text)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one block says."""

    text: str
    in_words: bool = True
    """False for a mark."""
    cited: bool = False
    id: str = ""
    """The provider's name of the message the block is part of."""


_SILENCE = _Piece("", in_words=False)


def _continues(before: _Piece, piece: _Piece, *, flowing: bool) -> bool:
    """Say whether a text goes on in the next one: models break sentences where they cite."""
    flows = flowing or before.cited or piece.cited
    return flows and before.in_words and piece.in_words and before.id == piece.id


def _pieces(content: object, wrappings: int) -> Iterator[_Piece]:
    if isinstance(content, (str, Mapping)):
        yield from _part_pieces(content, wrappings)
    elif isinstance(content, Sequence) and not isinstance(content, (bytes, bytearray, memoryview)):
        for part in content:
            yield from _part_pieces(part, wrappings)


def _part_pieces(part: object, wrappings: int) -> Iterator[_Piece]:
    if isinstance(part, str):
        yield _Piece(part)
    elif isinstance(part, Mapping):
        inner = _WRAPPINGS.get(_kind(part))
        if inner is None or inner not in part:
            yield _block_piece(part)
        elif wrappings:
            yield from _pieces(part[inner], wrappings - 1)


def _block_piece(block: Mapping[Any, Any]) -> _Piece:
    kind = _kind(block)
    if kind in _KINDS:
        return _Piece(_mark(_shown_kind(_KINDS[kind], block), block), in_words=False)
    if _UNSAID.search(kind) or block.get("thought") is True:
        return _SILENCE
    words = _words(block.get(_TEXT_KEYS.get(kind, "text")))
    if words or kind in _TEXT_KEYS or not kind:
        return _Piece(words, cited=_is_cited(block), id=_words(block.get("id")))
    return _Piece(_mark(kind if _PLAIN_KIND.fullmatch(kind) else "content", block), in_words=False)


def _is_cited(block: Mapping[Any, Any]) -> bool:
    notes = (block.get("citations"), block.get("annotations"))
    return any(isinstance(each, Sequence) and len(each) > 0 for each in notes)


def _kind(block: Mapping[Any, Any]) -> str:
    """Return the type of a block; of one without, the key that tells it, or "" if none does."""
    named = [name for name in (block.get("type"), block.get("block_type")) if isinstance(name, str) and name]
    if named:
        return named[0]
    return "text" if "text" in block else next((key for key in block if isinstance(key, str) and key in _KINDS), "")


def _shown_kind(kind: str, block: Mapping[Any, Any]) -> str:
    """Return "image" rather than "file" where the media type says so."""
    if kind != "file":
        return kind
    types = (place.get(key) for place in _places(block) for key in ("mime_type", "mimeType", "media_type"))
    main = next((each.partition("/")[0] for each in types if isinstance(each, str)), "")
    return main if main in ("image", "audio", "video") else kind


def _mark(kind: str, block: Mapping[Any, Any]) -> str:
    """Return a mark such as "[image: https://...]"; data that stands in the block itself is left out."""
    places = _places(block)
    names = [_short(place.get(key)) for place in places for key in _NAMES]
    paths = [_short(place.get("path")).replace("\\", "/").rpartition("/")[2] for place in places]
    urls = [url for place in places for key in _PLACES if "://" in (url := _short(place.get(key)))]
    name = next(filter(None, (*names, *urls, *paths)), "")
    return f"[{kind}: {name}]" if name else f"[{kind}]"


def _places(block: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    return [block, *(value for value in block.values() if isinstance(value, Mapping))]


def _short(value: object) -> str:
    text = " ".join(value.split()) if isinstance(value, str) and len(value) <= _MOST_NAME else ""
    return "" if text.casefold().startswith("data:") else text


def _words(value: object) -> str:
    if isinstance(value, Mapping):  # OpenAI's assistants: {"value": ..., "annotations": ...}
        value = value.get("value")
    return value if isinstance(value, str) else ""


def storable(text: str) -> str:
    """Return text without lone surrogates; two that are a pair become their character."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
