"""A user's resident pages in columns, so that ranking is arithmetic over arrays.

A row is a page, in order of arrival. A removed page leaves a dead row until the index is
compacted. Vectors are float32; for a user over the byte budget float16, then none at all,
and then Chroma answers for them.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from sys import getsizeof
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from memoryos_engine.lexical import tokenize
from memoryos_engine.lexical_index import LexicalIndex
from memoryos_engine.ranking import Surroundings
from memoryos_engine.records import DialoguePage
from memoryos_engine.similarity import Vector

Precision = Literal["float32", "float16", "none"]
COARSER: dict[Precision, Precision] = {"float32": "float16", "float16": "none", "none": "none"}
ROW_OVERHEAD = 1500
"""Bytes of Python objects per resident page, about, besides its texts, metadata, terms and vector."""
KEY_BYTES = 120
"""Bytes per key of metadata, about, besides what it says."""


class Column:
    """An array that grows by doubling."""

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._data = np.zeros((2,) if width is None else (2, width), dtype=dtype)
        self._length = 0

    @property
    def nbytes(self) -> int:
        """How much memory it takes, in bytes, with the room for rows to come."""
        return self._data.nbytes

    @property
    def values(self) -> NDArray[Any]:
        """The rows filled so far, as a view."""
        return self._data[: self._length]

    def append(self, value: Any) -> None:
        """Add one row."""
        if self._length == len(self._data):
            self._data = np.concatenate([self._data, np.zeros_like(self._data)])
        self._data[self._length] = value
        self._length += 1


class PageIndex:
    """Rows of pages with their terms, vectors, sessions, segments and times."""

    def __init__(self, *, dimension: int, precision: Precision = "float32") -> None:
        self._dimension = dimension
        self.precision: Precision = precision
        self.ids: list[str] = []
        self.lexical = LexicalIndex()
        self._rows: dict[str, int] = {}
        self._vectors = self._vector_column()
        self._alive = Column(np.bool_)
        self._sessions, self._segments, self._times = Column(np.int32), Column(np.int32), Column(np.float64)
        self._codes: dict[tuple[str, str], int] = {}
        self._weights = array("q")
        self._bytes = 0
        self._surroundings: Surroundings | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, page_id: object) -> bool:
        return page_id in self._rows

    def add(self, page: DialoguePage, vector: Vector) -> None:
        """Append a page as the newest row."""
        self._surroundings = None
        self._rows[page.id] = len(self.ids)
        self.ids.append(page.id)
        self.lexical.add(tokenize(page.text))
        self._alive.append(True)
        self._sessions.append(self._code("session", page.session_id))
        self._segments.append(self._segment_code(page))
        self._times.append(page.timestamp.timestamp())
        if self.precision != "none":
            self._vectors.append(vector)
        self._weights.append(0)
        self._weigh(len(self.ids) - 1, page)

    def assign(self, page: DialoguePage) -> None:
        """Take over the segment of a page that is already a row."""
        self._segments.values[self._rows[page.id]] = self._segment_code(page)

    def assign_session(self, page: DialoguePage) -> None:
        """Take over the session of a page that is already a row."""
        self._sessions.values[self._rows[page.id]] = self._code("session", page.session_id)
        self._surroundings = None

    def rewrite(self, page: DialoguePage, vector: Vector) -> None:
        """Take over the text and vector of a page that is already a row."""
        row = self._rows[page.id]
        self.lexical.replace(row, tokenize(page.text))
        self._weigh(row, page)
        if self.precision != "none":
            self._vectors.values[row] = vector

    def remove(self, page_id: str) -> None:
        """Turn a page's row dead."""
        row = self._rows.pop(page_id)
        self._bytes -= self._weights[row]
        self._weights[row] = 0
        self._alive.values[row] = False
        self._sessions.values[row] = -1 - row  # a dead row is nobody's neighbour
        self._segments.values[row] = -1
        self._surroundings = None
        self.lexical.remove(row)

    def row(self, page_id: str) -> int:
        """Return the row of a page; KeyError if it is not resident."""
        return self._rows[page_id]

    def rows(self, page_ids: Iterable[str]) -> NDArray[np.intp]:
        """Return the rows of those of `page_ids` that are resident."""
        return np.fromiter((self._rows[page_id] for page_id in page_ids if page_id in self._rows), dtype=np.intp)

    def vector(self, page_id: str) -> Vector | None:
        """Return the full-precision vector of a page, or None where it is not resident."""
        return np.array(self._vectors.values[self._rows[page_id]]) if self.precision == "float32" else None

    def similarities(self, query: Vector) -> Vector | None:
        """Return the cosine of every row with `query`, or None where no vectors are resident."""
        if self.precision == "none":
            return None
        similarities: Vector = self._vectors.values @ query.astype(self._vectors.values.dtype)
        return similarities.astype(np.float32)

    def coarsen(self) -> None:
        """Halve the vectors' precision, or give them up."""
        self.precision = COARSER[self.precision]
        old, self._vectors = self._vectors.values, self._vector_column()
        if self.precision != "none":
            for vector in old:
                self._vectors.append(vector)

    @property
    def sparse(self) -> bool:
        """Whether more rows are dead than alive, so that rebuilding pays."""
        return len(self.ids) > 64 and len(self.ids) > 2 * len(self._rows)

    @property
    def nbytes(self) -> int:
        """About how much memory the index and its pages take, in bytes."""
        return self._bytes + self._vectors.nbytes + self.lexical.nbytes

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Whether each row is a page still."""
        return self._alive.values

    @property
    def sessions(self) -> NDArray[np.int32]:
        """A number per row, equal for pages of one session; negative for dead rows."""
        return self._sessions.values

    @property
    def surroundings(self) -> Surroundings:
        """Every row's neighbours in its session."""
        if self._surroundings is None:
            places = np.arange(len(self.ids))
            self._surroundings = Surroundings.of(self._sessions.values.astype(np.int64), places, self.times)
        return self._surroundings

    @property
    def segments(self) -> NDArray[np.int32]:
        """A number per row, equal for pages of one segment; -1 for none."""
        return self._segments.values

    @property
    def times(self) -> NDArray[np.float64]:
        """Timestamp per row, in seconds since 1970, of dead rows too."""
        return self._times.values

    @property
    def living_times(self) -> NDArray[np.float64]:
        """Timestamps of the pages, in seconds since 1970."""
        return self.times[self.alive]

    def _weigh(self, row: int, page: DialoguePage) -> None:
        texts = (page.user_input, page.agent_response, json.dumps(dict(page.metadata), ensure_ascii=False, default=str))
        weight = ROW_OVERHEAD + KEY_BYTES * len(page.metadata) + sum(map(getsizeof, texts))
        self._bytes += weight - self._weights[row]
        self._weights[row] = weight

    def _segment_code(self, page: DialoguePage) -> int:
        return self._code("segment", page.segment_id) if page.segment_id else -1

    def _code(self, kind: str, name: str) -> int:
        return self._codes.setdefault((kind, name), len(self._codes))

    def _vector_column(self) -> Column:
        if self.precision == "none":
            return Column(np.float32, 1)
        return Column(self.precision, self._dimension)
