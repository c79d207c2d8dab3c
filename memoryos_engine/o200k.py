"""Exact token counts with tiktoken's o200k_base, from a table that is already on disk.

tiktoken's own loader downloads what its cache lacks, and deletes what does not match.
It is never called here: the table is found, checked against its digest and handed to
`tiktoken.Encoding`, so no connection can be opened and nothing on disk changes.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktoken import Encoding

_TABLE_URL = b"https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
_TABLE_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

# How o200k_base cuts a text before it merges bytes; part of the encoding's definition.
_BEFORE = r"[^\r\n\p{L}\p{N}]?"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SHORT = r"(?i:'(?:s|t|re|ve|m|ll|d))?"
_CUTS = (
    f"{_BEFORE}{_UPPER}*{_LOWER}+{_SHORT}",
    f"{_BEFORE}{_UPPER}+{_LOWER}*{_SHORT}",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
)


def exact_counter() -> Callable[[str], int] | None:
    """Return a counter of o200k_base tokens, or None where its table is not on this machine.

    Looked for in the folders tiktoken caches in (TIKTOKEN_CACHE_DIR, DATA_GYM_CACHE_DIR,
    the temporary folder) and in the copy that LlamaIndex brings.
    """
    for folder in _folders():
        table = _read_table(folder)
        if table is not None:
            encoding = _build(table)
            # Text that spells a special token, "<|endoftext|>", is ordinary text here.
            return lambda text: len(encoding.encode(text, disallowed_special=()))
    return None


def _folders() -> Iterator[Path]:
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    yield Path(tempfile.gettempdir(), "data-gym-cache")
    for package in _llama_index_folders():
        yield Path(package, "core", "_static", "tiktoken_cache")


def _llama_index_folders() -> list[str]:
    try:
        spec = find_spec("llama_index")
    except ValueError:  # a stand-in without a spec is in sys.modules
        return []
    return [] if spec is None else list(spec.submodule_search_locations or ())


def _read_table(folder: Path) -> bytes | None:
    name = hashlib.sha1(_TABLE_URL, usedforsecurity=False).hexdigest()
    try:
        table = (folder / name).read_bytes()
    except OSError:
        return None
    return table if hashlib.sha256(table).hexdigest() == _TABLE_SHA256 else None


def _build(table: bytes) -> Encoding:
    from tiktoken import Encoding

    rows = (line.split() for line in table.splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in rows}
    return Encoding("o200k_base", pat_str="|".join(_CUTS), mergeable_ranks=ranks, special_tokens={})
