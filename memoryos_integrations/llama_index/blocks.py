"""What the content blocks of LlamaIndex's messages say, in the shapes that `content` reads.

A block becomes a mapping of its type and its words, names and places; the bytes it may hold are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llama_index.core.base.llms.types import CitationBlock, DocumentBlock, TextBlock

_NO_TITLE = "input_document"
"""What LlamaIndex calls a document that was given no title."""
_PLACES = ("title", "name", "url", "path")


def block_mappings(blocks: Iterable[object]) -> list[Mapping[str, Any]]:
    """Return what blocks say, for `content.content_text`; never raises, whatever the blocks are.

    What a citation quotes is a source's and not the speaker's, whose own words stand beside it.
    """
    listed = list(blocks)
    speaks = any(isinstance(block, TextBlock) and block.text for block in listed)
    return [_mapping(block) for block in listed if not (speaks and isinstance(block, CitationBlock))]


def is_plain(blocks: Iterable[object]) -> bool:
    """Return whether blocks are one text and nothing else, so that their text is all there is to them."""
    kinds = [type(block) for block in blocks]
    return kinds == [TextBlock]


def _mapping(block: object) -> Mapping[str, Any]:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    if isinstance(block, CitationBlock):
        return _mapping(block.cited_content)
    kind = getattr(block, "block_type", None) or type(block).__name__
    places = {name: _text(getattr(block, name, None)) for name in _PLACES}
    if isinstance(block, DocumentBlock) and places["title"] == _NO_TITLE:
        del places["title"]
    return {"type": str(kind), **places}


def _text(value: object) -> str:
    return "" if value is None else str(value)
