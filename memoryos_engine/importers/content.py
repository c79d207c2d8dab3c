"""What a message's content says in words: text as it is, a mark for a picture or a sound, nothing for tool traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers.turn import storable

_WORDS = ("text", "input_text", "output_text", "refusal", "audio_transcription")
_MARKS = {
    "image": "[image]", "image_url": "[image]", "input_image": "[image]", "image_asset_pointer": "[image]",
    "audio": "[audio]", "input_audio": "[audio]", "video": "[video]", "video_url": "[video]",
    "file": "[file]", "input_file": "[file]", "document": "[file]",
}  # fmt: skip
"""Sounds of a ChatGPT export are not among them: their words stand beside them."""


def words(content: Any, where: str) -> str:
    """Return the words of a message's content: text, or a list of texts and blocks; each block on lines of its own.

    Raises:
        InvalidInput: it is neither, or a block holds something else; the message names the place.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return storable(content)
    if not isinstance(content, list):
        fix = 'Use text, or a list of blocks such as {"type": "text", "text": "..."}.'
        raise InvalidInput(where, f"is a {type(content).__name__}, not text", fix)
    blocks = [_block(block, f"{where}[{place}]") for place, block in enumerate(content)]
    return "\n".join(block for block in blocks if block.strip())


def _block(block: Any, where: str) -> str:
    if block is None or isinstance(block, str):
        return storable(block or "")
    if not isinstance(block, Mapping):
        raise InvalidInput(where, f"is a {type(block).__name__}, not text or a block", "Leave it out of the file.")
    kind = block.get("type") or block.get("content_type")
    if kind not in _WORDS:
        return _MARKS.get(kind, "") if isinstance(kind, str) else ""
    text = block.get("refusal" if kind == "refusal" else "text")
    if text is not None and not isinstance(text, str):
        raise InvalidInput(f"{where}.text", f"is a {type(text).__name__}, not text", "Leave it out of the file.")
    return storable(text or "")
