"""How long a text is for a model, in tokens, without asking anyone.

`default_counter` counts exactly where a table of tiktoken's already lies on this machine
and estimates elsewhere. It never opens a connection.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Callable
from functools import cache

import numpy as np

TokenCounter = Callable[[str], int]

logger = logging.getLogger(__name__)

# Each byte of a text becomes the letter of its class, and classes are counted: a few
# passes at the speed of memory, where patterns would cost ten times as much.
_LETTER, _DIGIT, _SPACE, _LINE, _APOSTROPHE, _SIGN, _OTHER = b"a0 n'!x"
_GAP = re.compile(rb"  +")


def _class_of(byte: int) -> int:
    if byte > 0x7F:
        return _OTHER
    character = chr(byte)
    if character.isalpha() or character.isdigit():
        return _LETTER if character.isalpha() else _DIGIT
    return {" ": _SPACE, "\t": _SPACE, "\n": _LINE, "\r": _LINE, "'": _APOSTROPHE}.get(character, _SIGN)


_CLASSES = bytes(map(_class_of, range(256)))
_WORDS_ONLY = bytes(ord(chr(byte).lower()) if _class_of(byte) == _LETTER else _SPACE for byte in range(256))
_COMMON_WORDS = (
    "a about after all also always am an and any are as at back be because been before best better big but by can "
    "come could d day did do does doing done down even every feel first for from get give go going good got great "
    "had happy has have he her here him his home how i if in into is it its just keep know last let life like little "
    "ll long look lot love m made make many maybe me more most much my need never new next nice no not now of off oh "
    "on one only or other our out over people re really right s said say see she should so some something still such "
    "sure t take tell than thank thanks that the their them then there these they thing things think this those "
    "though thought time to today together too two up us use ve very want was way we week well went were what when "
    "where which while who why will with work would wow year years yes you your"
)
_COMMON = frozenset(_COMMON_WORDS.encode().split())
"""English words of one token; their share tells English from other Latin script."""

# First and last code point, tokens for each character. The dearer of o200k_base and
# cl100k_base, at the upper end of ordinary text. No text needs more than its UTF-8 bytes.
_SCRIPTS = (
    (0x0080, 0x00BF, 1.3),  # Latin-1 signs
    (0x00C0, 0x02FF, 1.5),  # Latin letters with marks
    (0x0300, 0x033F, 1.5),  # combining marks
    (0x0380, 0x03FF, 1.05),  # Greek
    (0x0400, 0x04FF, 0.52),  # Cyrillic
    (0x0580, 0x05FF, 1.15),  # Hebrew
    (0x0600, 0x06FF, 0.94),  # Arabic, Persian, Urdu
    (0x0900, 0x097F, 1.4),  # Devanagari
    (0x0980, 0x0DFF, 1.6),  # Bengali to Sinhala
    (0x0E00, 0x0E7F, 1.05),  # Thai
    (0x1E00, 0x1EFF, 2.2),  # Vietnamese
    (0x2000, 0x203F, 1.1),  # dashes, quotation marks, joiners
    (0x2040, 0x2FFF, 2.2),  # signs and symbols
    (0x3000, 0x303F, 1.1),  # CJK punctuation
    (0x3040, 0x30FF, 1.1),  # kana
    (0x4E00, 0x9FFF, 1.6),  # Han
    (0xAC00, 0xD7BF, 1.1),  # Hangul
    (0xFE00, 0xFE3F, 1.0),  # variation selectors
    (0xFF00, 0xFFFF, 1.4),  # full width
    (0x1F000, 0x1FFFF, 3.2),  # emoji
)
_BLOCK = 6
"""Scripts begin at multiples of 64, so one price for 64 code points is enough."""
_BYTES_OF_LAST = ((0x7F, 0.0), (0x7FF, 2.0), (0xFFFF, 2.6), (0x10FFFF, 4.0))
"""Last code point, tokens for each character of scripts not named above: nearly one a byte."""

_CHOOSING = threading.Lock()


def estimate_tokens(text: str) -> int:
    """Return about how many tokens `text` is, erring on the high side.

    For chat in English it is about 15 % above o200k_base. For other scripts it follows the
    dearer of o200k_base and cl100k_base, which for Persian is twice the cheaper, for Hindi
    thrice. It is no upper bound: text made of rare words or symbols can need more.

    Cut at line ends, the parts of a text are estimated at no less than the whole: the
    price is a maximum of sums over disjoint pieces, rounded up.

    Returns:
        0 for the empty text, else at least 1.
    """
    data = text.encode("utf-8", "replace")
    words = data.translate(_WORDS_ONLY).split()
    common = sum(map(_COMMON.__contains__, words))
    rare, letters = len(words) - common, sum(map(len, words))
    english = 0.92 * common + 1.17 * rare + 0.016 * letters
    foreign = 0.33 * letters + 0.12 * rare - 0.8 * common
    beyond_ascii = 0.0 if text.isascii() else _price_beyond_ascii(text)
    price = max(english, foreign) + _price_signs(data.translate(_CLASSES)) + beyond_ascii
    return max(math.ceil(price), 1 if text else 0)


def _price_signs(classes: bytes) -> float:
    """Price digits by threes, signs by twos, line ends and wide gaps."""
    if b"'" in classes:  # between letters it belongs to the word
        classes = classes.replace(b"a'a", b"aaa").replace(b"'", b"!")
    signs = classes.count(b"!") - classes.count(b"!!")
    numbers = 0
    if b"0" in classes:
        threes = classes.replace(b"000", b"3").replace(b"00", b"3").replace(b"0", b"3")
        numbers = threes.count(b"3") + classes.count(b" 0")
    # A line end after a sign is one token with it.
    lines = classes.count(b"n") - classes.count(b"nn") - classes.count(b"!n")
    gaps = len(_GAP.findall(classes)) if b"  " in classes else 0
    return numbers + 1.12 * signs + lines + gaps


def default_counter() -> TokenCounter:
    """Return the best counter this machine has without a network.

    tiktoken's o200k_base where its table lies in tiktoken's cache or came with LlamaIndex;
    else `estimate_tokens`, which is logged once at INFO. Chosen at the first call, which
    may take half a second, and kept for the life of the process.
    """
    with _CHOOSING:
        return _choose_counter()


@cache
def _choose_counter() -> TokenCounter:
    from memoryos_engine.o200k import exact_counter

    counter = exact_counter()
    if counter is None:
        logger.info("no table of tiktoken's is on this machine: tokens are estimated, on the high side")
        return estimate_tokens
    return counter


def _price_beyond_ascii(text: str) -> float:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return float(_prices()[points >> _BLOCK].sum())


@cache
def _prices() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    starts = np.arange((0x10FFFF >> _BLOCK) + 1) << _BLOCK
    lasts, prices = zip(*_BYTES_OF_LAST, strict=True)
    table = np.asarray(prices, dtype=np.float64)[np.searchsorted(lasts, starts)]
    for first, last, price in _SCRIPTS:
        table[first >> _BLOCK : (last >> _BLOCK) + 1] = price
    return table
