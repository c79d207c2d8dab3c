"""Pairs of owners whose ids are chosen to collide in whatever way ids are joined, cut, folded, parsed or hashed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from itertools import count, islice

from memoryos_engine.records import Owner, stable_id

ASSISTANT = "assistant"
PREFIX = "p" * 10_000
SEPARATORS = (
    ":",
    "|",
    "/",
    "\\",
    "\x1f",
    "\x00",
    "_",
    "-",
    ".",
    ",",
    ";",
    "\n",
    "\t",
    "=",
    "&",
    "#",
    "$",
    "%",
    "\ue000",
)
FRAGMENTS = (
    '{"$ne": ""}', "$or", "$and", '{"$gt": ""}', '{"user_id": {"$ne": 0}}', "' OR 1=1 --",
    "'; DROP TABLE embeddings; --",
    '" OR ""="', "%", "_", "*", "?", "\\", "\\u0000", "${jndi}", "{{7*7}}", "[]", "{}", "null", '","assistant_id":"x',
    "<script>", "%00", "%2e%2e%2f", "\u2028", "\r\n",
)  # fmt: skip
TRAVERSALS = ("../{}", "./{}", "{}/..", "../../{}", "/{}", "{}/", "a/../{}", "~/{}", "..\\{}", "file:///{}")
SPACES = (" {}", "{} ", "\t{}", "{}\n", "\u00a0{}", "{}\u3000", "\ufeff{}")
INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u00ad", "\u2060", "\u202e", "\ufe0f", "\U000e0041")
LOOKALIKES = (
    ("a", "\u0430"),
    ("o", "\u03bf"),
    ("e", "\u0435"),
    ("1", "l"),
    ("0", "O"),
    ("K", "\u212a"),
    ("A", "\u0391"),
)
CASES = (
    ("tom", "Tom"),
    ("stra\u00dfe", "STRASSE"),
    ("i", "\u0130"),
    ("\u0131", "I"),
    ("\u03c3", "\u03c2"),
    ("ab", "AB"),
)
TYPES = (("{}", "{}.0"), ("{}", "0{}"), ("{}", "+{}"), ("{}", "{}e0"), ("True{}", "true{}"), ("None{}", "none{}"))

Pair = tuple[Owner, Owner]
Family = Callable[[int], Pair]


def pairs(number: int) -> list[Pair]:
    """Return so many pairs, all owners different, every family of collisions in turns.

    Args:
        number: at least 1; below 13 some families are left out.
    """
    found: list[Pair] = []
    seen: set[Owner] = set()
    for pair in islice(_endless(), 100 * number):
        if len(found) == number:
            break
        if pair[0] != pair[1] and seen.isdisjoint(pair):
            seen.update(pair)
            found.append(pair)
    return found


def _endless() -> Iterator[Pair]:
    for place in count():
        for family in FAMILIES:
            yield family(place)


def _users(one: str, other: str) -> Pair:
    return Owner(user_id=one, assistant_id=ASSISTANT), Owner(user_id=other, assistant_id=ASSISTANT)


def _prefix(place: int) -> Pair:
    return _users(f"user {place}x", f"user {place}x{place % 10}")


def _separator(place: int) -> Pair:
    """Join user and assistant with a separator, and both read the same."""
    sign = SEPARATORS[place % len(SEPARATORS)]
    one = Owner(user_id=f"a{place}{sign}b", assistant_id="c")
    return one, Owner(user_id=f"a{place}", assistant_id=f"b{sign}c")


def _joined(place: int) -> Pair:
    return (
        Owner(user_id=f"join{place}ab", assistant_id="c"),
        Owner(user_id=f"join{place}a", assistant_id="bc"),
    )


def _unicode(place: int) -> Pair:
    plain = f"Zo\u00eb \uac00 caf\u00e9 {place}"
    forms = (
        unicodedata.normalize("NFD", plain),
        "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in plain),
        plain + INVISIBLE[place % len(INVISIBLE)],
        INVISIBLE[place % len(INVISIBLE)] + plain,
    )
    return _users(plain, forms[place % 4])


def _lookalike(place: int) -> Pair:
    one, other = LOOKALIKES[place % len(LOOKALIKES)]
    return _users(f"look{place}{one}x", f"look{place}{other}x")


def _case(place: int) -> Pair:
    one, other = CASES[place % len(CASES)]
    return _users(f"{one} case{place}", f"{other} case{place}")


def _spaces(place: int) -> Pair:
    name = f"spaced{place}"
    return _users(name, SPACES[place % len(SPACES)].format(name))


def _traversal(place: int) -> Pair:
    name = f"walker{place}"
    return _users(name, TRAVERSALS[place % len(TRAVERSALS)].format(name))


def _fragment(place: int) -> Pair:
    piece = FRAGMENTS[place % len(FRAGMENTS)]
    turn = place // len(FRAGMENTS)
    return _users(piece + " " * turn, f"victim{place}{piece}")


def _long(place: int) -> Pair:
    return _users(f"{PREFIX}{place}a", f"{PREFIX}{place}b")


def _hash(place: int) -> Pair:
    """Name one like a record of the other."""
    name = f"hashed{place}"
    prefix = ("head", "page", "segment", "knowledge")[place % 4]
    return _users(name, stable_id(prefix, name, ASSISTANT))


def _swapped(place: int) -> Pair:
    return (
        Owner(user_id=f"swap{place}", assistant_id=f"paws{place}"),
        Owner(user_id=f"paws{place}", assistant_id=f"swap{place}"),
    )


def _types(place: int) -> Pair:
    one, other = TYPES[place % len(TYPES)]
    return _users(one.format(place + 2), other.format(place + 2))


FAMILIES: tuple[Family, ...] = (
    _prefix, _separator, _joined, _unicode, _lookalike, _case, _spaces, _traversal, _fragment, _long, _hash,
    _swapped, _types,
)  # fmt: skip
