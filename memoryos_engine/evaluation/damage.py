"""Damage: exports and stored rows as a failing disk, a careless editor or an enemy leaves them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from memoryos_engine.storage.codec import PAGE, Row

Values = list[Any]
"""The lines of an export, decoded, but the last."""

NUMBERS: tuple[Any, ...] = (
    -1, 0, 2**31, 2**63, 2**64, 2**200, -(2**63), 10**4000, 0.5, -0.0, 1e308, float("nan"), float("inf"), True,
)  # fmt: skip
TIMES: tuple[Any, ...] = (
    "", "soon", "2024-02-30T00:00:00+00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00", "2024-01-01", "2024-01-01T00:00:00",
    "2024-01-01T00:00:00+99:99", "2024-W01-1T00:00:00+00:00", "\u0662\u0660\u0662\u0664-01-01T00:00:00+00:00",
    "2024-01-01T24:00:00+00:00", 1_700_000_000, None,
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    None, True, 0, 1.5, "", "\x00", "\ud800", "\udfff\ud800", "\u202e", "x" * 100_000, [], {}, [None], [[]], {"": None},
    [["a", 1]], {"__proto__": {"x": 1}}, "page", "head", "import",
)  # fmt: skip
TRIES = 200
"""Fields looked at to find one of a kind."""
BOMB = 100_000
"""Levels of a nested bomb."""


def signed(values: Values) -> bytes:
    """Return an export of these lines with a closing line that is true of them."""
    lines = [json.dumps(value, sort_keys=True) + "\n" for value in values]
    return _closed("".join(lines).encode("utf-8", "surrogatepass"), len(lines) - 1)


def damaged_export(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return how an export was damaged, and what is left of it."""
    name = chance.choice(sorted(_RAW) + sorted(_SIGNED) * 3)
    if name in _RAW:
        return name, _RAW[name](data, chance)
    values = [json.loads(line) for line in data.split(b"\n")[:-2]]
    result = _SIGNED[name](values, chance)
    return name, result if isinstance(result, bytes) else signed(values)


def _closed(body: bytes, records: int) -> bytes:
    closing = {"records": records, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(closing, sort_keys=True).encode() + b"\n"


# -- bytes: the checksum tells -------------------------------------------------------------------------


def _bits(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 8, 64))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed) if changed != data else bytes(changed[1:])


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) - 1)]


def _lines(change: Callable[[list[bytes], random.Random], object]) -> Callable[[bytes, random.Random], bytes]:
    def changed(data: bytes, chance: random.Random) -> bytes:
        lines = data.splitlines(keepends=True)
        change(lines, chance)
        return b"".join(lines)

    return changed


def _swap(lines: Values, chance: random.Random) -> None:
    left, right = chance.sample(range(len(lines)), 2)
    lines[left], lines[right] = lines[right], lines[left]


def _double(lines: Values, chance: random.Random) -> None:
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))


def _remove(lines: Values, chance: random.Random) -> None:
    del lines[chance.randrange(len(lines))]


def _put(piece: bytes) -> Callable[[bytes, random.Random], bytes]:
    def put(data: bytes, chance: random.Random) -> bytes:
        place = chance.randrange(len(data))
        return data[:place] + piece + data[place:]

    return put


# -- lines: signed again, so that only what they say can tell --------------------------------------------


def _a_field(values: Values, chance: random.Random) -> tuple[Any, Any]:
    """Return an object or list somewhere in the file, and a key of it."""
    holder: Any = chance.choice(values)
    while True:
        keys = sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = chance.choice(keys)
        inner = holder[key]
        if not (isinstance(inner, (dict, list)) and inner and chance.random() < 0.9):
            return holder, key
        holder = inner


def _set(choices: tuple[Any, ...], fits: Callable[[Any], bool]) -> Callable[[Values, random.Random], None]:
    def put(values: Values, chance: random.Random) -> None:
        for _ in range(TRIES):
            holder, key = _a_field(values, chance)
            if fits(holder[key]):
                break
        holder[key] = chance.choice(choices)

    return put


def _is_number(value: object) -> bool:
    return isinstance(value, int)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and value.endswith("+00:00")


def _is_any(_: object) -> bool:
    return True


def _set_alike(values: Values, chance: random.Random) -> None:
    """Give a field what the same field of another record has."""
    for _ in range(TRIES):
        left, right = chance.sample(values[1:], 2)
        part = chance.choice(("id", "kind", "document", "data"))
        if left[part] != right[part]:
            left[part] = right[part]
            return


def _set_data(values: Values, chance: random.Random) -> None:
    """Give a value of a record what the same value of another record is."""
    for _ in range(TRIES):
        left, right = (value["data"] for value in chance.sample(values[1:], 2))
        key = chance.choice(sorted(left))
        if key in right and left[key] != right[key]:
            left[key] = right[key]
            return


def _drop_field(values: Values, chance: random.Random) -> None:
    holder, key = _a_field(values, chance)
    del holder[key]


def _records(change: Callable[[Values, random.Random], object]) -> Callable[[Values, random.Random], None]:
    def changed(values: Values, chance: random.Random) -> None:
        rest = values[1:]
        change(rest, chance)
        values[1:] = rest

    return changed


def _put_text(piece: bytes) -> Callable[[Values, random.Random], bytes]:
    """Put raw bytes where a value or text was, and sign that."""

    def put(values: Values, chance: random.Random) -> bytes:
        lines = [json.dumps(value, ensure_ascii=False, sort_keys=True).encode() + b"\n" for value in values]
        place = chance.randrange(len(lines))
        at = chance.choice([n for n, sign in enumerate(lines[place]) if sign in b':,"['])
        lines[place] = lines[place][: at + 1] + piece + lines[place][at + 1 :]
        return _closed(b"".join(lines), len(lines) - 1)

    return put


def _put_metadata(piece: bytes) -> Callable[[Values, random.Random], bytes]:
    """Put raw JSON where metadata of a page may have any."""

    def put(values: Values, chance: random.Random) -> bytes:
        page = chance.choice([value for value in values[1:] if value["kind"] == PAGE])
        page["data"]["metadata"] = {"x": "@piece@"}
        lines = [json.dumps(value, sort_keys=True).encode() + b"\n" for value in values]
        return _closed(b"".join(lines).replace(b'"@piece@"', piece), len(lines) - 1)

    return put


_Raw = Callable[[bytes, random.Random], bytes]
_RAW: dict[str, _Raw] = {
    "bits flipped": _bits,
    "cut off": _cut,
    "lines swapped": _lines(_swap),
    "a line twice": _lines(_double),
    "a line gone": _lines(_remove),
    "NUL put in": _put(b"\x00"),
    "bytes that are no UTF-8": _put(b"\xff\xfe"),
    "a byte order mark": lambda data, _: b"\xef\xbb\xbf" + data,
    "line ends of Windows": lambda data, _: data.replace(b"\n", b"\r\n"),
}
_SIGNED: dict[str, Callable[[Values, random.Random], bytes | None]] = {
    "signed: records swapped": _records(_swap),
    "signed: a record twice": _records(_double),
    "signed: a record gone": _records(_remove),
    "signed: a field gone": _drop_field,
    "signed: a hostile number": _set(NUMBERS, _is_number),
    "signed: a hostile date": _set(TIMES, _is_time),
    "signed: another type": _set(OTHERS, _is_any),
    "signed: another record's part": _set_alike,
    "signed: another record's value": _set_data,
    "signed: a nested bomb": _put_text(b"[" * BOMB + b"]" * BOMB),
    "signed: a huge number": _put_text(b"9" * 5000),
    "signed: metadata, nested": _put_metadata(b'{"a":' * 99 + b"1" + b"}" * 99),
    "signed: metadata, nested more": _put_metadata(b'{"a":' * 900 + b"1" + b"}" * 900),
    "signed: metadata, a bomb": _put_metadata(b"[" * BOMB + b"]" * BOMB),
    "signed: metadata, infinity": _put_metadata(b"1e999"),
    "signed: metadata, a long number": _put_metadata(b"9" * 4000),
    "signed: metadata, NUL": _put_metadata(b'"\\u0000"'),
    "signed: no UTF-8": _put_text(b"\xc3\x28"),
    "signed: half a surrogate pair": _put_text(b"\\ud83d"),
    "signed: NUL": _put_text(b"\x00"),
    "signed: not a number": _put_text(b"NaN"),
}


# -- stored rows -----------------------------------------------------------------------------------------


def damaged_row(row: Row, chance: random.Random) -> tuple[str, Row]:
    """Return how a stored row was damaged, and what is left of it."""
    name = chance.choice(sorted(_ROW))
    return name, _ROW[name](row, chance)


def _field(change: Callable[[Values, random.Random], object]) -> Callable[[Row, random.Random], Row]:
    def changed(row: Row, chance: random.Random) -> Row:
        values = [json.loads(row.data)]
        change(values, chance)
        return replace(row, data=json.dumps(values[0]))

    return changed


def _data(change: _Raw) -> Callable[[Row, random.Random], Row]:
    return lambda row, chance: replace(row, data=change(row.data.encode(), chance).decode("utf-8", "replace"))


def _other_data(row: Row, chance: random.Random) -> Row:
    return replace(row, data=json.dumps(chance.choice(OTHERS + NUMBERS)))


_ROW: dict[str, Callable[[Row, random.Random], Row]] = {
    "row: bits flipped": _data(_bits),
    "row: cut off": _data(_cut),
    "row: NUL put in": _data(_put(b"\x00")),
    "row: a nested bomb": _data(_put(b"[" * BOMB)),
    "row: half a surrogate pair": _data(_put(b"\\ud83d")),
    "row: a huge number": _data(_put(b"9" * 5000)),
    "row: a field gone": _field(_drop_field),
    "row: a hostile number": _field(_set(NUMBERS, _is_number)),
    "row: a hostile date": _field(_set(TIMES, _is_time)),
    "row: another type": _field(_set(OTHERS, _is_any)),
    "row: other data": _other_data,
    "row: text cut off": lambda row, chance: replace(row, document=row.document[: chance.randrange(2)]),
}
