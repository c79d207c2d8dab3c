"""Search terms of any script."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memoryos_engine.lexical import LONGEST_RUN, normalise, tokenize, weighted_query_terms

SAME = {
    "persian ye and kaf": ("يك كتاب خوبي", "یک کتاب خوبی"),
    "persian plural with a joiner, a space, or neither": ("کتاب‌ها", "کتاب ها"),
    "arabic alif with hamza": ("أحمد إلى آدم", "احمد الى ادم"),
    "arabic vowel signs": ("كَتَبَ الدَّرْسَ", "كتب الدرس"),
    "arabic tatweel": ("محـــمد", "محمد"),
    "direction marks": ("\u202bסלום\u200f", "סלום"),
    "soft hyphen": ("Donau\u00addampf\u00adschiff", "Donaudampfschiff"),
    "hindi danda": ("मैं घर जाता हूँ। नमस्ते।", "मैं घर जाता हूँ नमस्ते"),
    "hindi nukta": ("सड़क", "सडक"),
    "turkish capital dotted i": ("İstanbul İzmir", "istanbul izmir"),
    "turkish capital of the dotless i": ("ILIK", "ılık"),
    "german sharp s": ("STRASSE Straße", "strasse strasse"),
    "german umlauts left out": ("Müller Gärten", "Muller Garten"),
    "composed and decomposed accents": ("café", "cafe\u0301"),
    "accents left out": ("café", "cafe"),
    "case": ("Running SHOES", "running shoes"),
    "greek final sigma": ("ΟΔΟΣ", "οδος"),
    "wide letters": ("ＡＢＣ１２３", "abc123"),
    "ligatures": ("ﬁne ﬂower", "fine flower"),
    "digits of several scripts": ("١٢٣ ۴۵۶ ७८९", "123 456 789"),
    "traditional punctuation": ("你好，世界！", "你好 世界"),
    "possessive": ("Tom's cat", "Tom cat"),
    "inflection": ("run runs running ran", "run run run run"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_spellings_of_one_word_are_one_term(one, other):
    """Design part 4: Unicode normalisation, letter variants, joiners, stems."""
    assert tokenize(one)
    assert Counter(tokenize(one)) == Counter(tokenize(other))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("I like sailing boats", ("like", "sail", "boat")),
        ("编程", ("编程", "编", "程")),
        ("我喜欢编程", ("我喜", "喜欢", "欢编", "编程", "喜", "欢", "编", "程")),
        ("東京", ("東京", "東", "京")),
        ("タワー", ("タワ", "ワー")),
        ("서울역", ("서울", "울역")),
        ("ภาษา", ("ภาษ", "าษา")),
        ("C3PO likes R2D2", ("c3po", "like", "r2d2")),
        ("snake_case", ("snake", "case")),
        ("hello👋world", ("hello", "world")),
        ("کتاب‌های من", ("کتاب",)),
        ("", ()),
        (" \n\t", ()),
        ("?!…", ()),
        ("👋👩‍👩‍👧", ()),
    ],
)
def test_each_script_is_cut_in_its_own_way(text, terms):
    """Design part 4: words with the right stemmer, character pairs where there are no spaces."""
    assert tokenize(text) == terms


def test_scripts_side_by_side_are_cut_apart():
    """No assumption of one language, or of spaces."""
    assert tokenize("我用Python写代码") == tokenize("我用 Python 写代码")
    assert "python" in tokenize("我用Python写代码")


@pytest.mark.parametrize("words", ["the of and", "der die das", "از به که", "من"])
def test_function_words_are_terms_only_where_there_is_nothing_else(words):
    """lexical.tokenize: left out unless there is nothing else, so that no text is without terms."""
    assert tokenize(words) == tuple(normalise(words).split())


def test_a_lone_character_of_a_query_weighs_less_than_a_pair():
    """A Han character can be a word, but most are half of one."""
    assert weighted_query_terms("编程") == {"编程": 1.0, "编": 0.3, "程": 0.3}
    assert weighted_query_terms("boats and boats") == {"boat": 1.0}


@given(st.text())
@example("\x00")
@example("\ud800")
@example("\u202e\u200d\u200c\ufeff\u0307")
@example("'s 's's '")
@example("\U0010ffff\ue000")
def test_any_text_gives_terms_that_are_not_empty(text):
    """Nothing here assumes a language; no input raises, surrogates included."""
    terms = tokenize(text)

    assert all(isinstance(term, str) and term for term in terms)
    assert set(weighted_query_terms(text)) == set(terms)


@given(st.text())
def test_the_same_text_always_gives_the_same_terms(text):
    """Invariant 8."""
    assert tokenize(text) == tokenize("".join(list(text)))


def test_no_term_is_longer_than_any_word():
    """A run without a break is cut: the stemmers and the index would choke on it."""
    assert {len(term) for term in tokenize("x" * 1000)} <= set(range(1, LONGEST_RUN + 1))


@pytest.mark.parametrize(
    "character",
    [*"aZ7éßایक中あ한ก'", "\u200d", "\u0307", "\u0300", "😀", "\x00", "\u0e46", "ﷺ"],
)
def test_a_megabyte_of_one_character_is_cut_quickly(character):
    """Invariant 5: no input is quadratic; a page may hold a megabyte."""
    text = character * (1_000_000 // len(character.encode()))
    began = time.process_time()
    tokenize(text)

    assert time.process_time() - began < 3.0


@pytest.mark.parametrize(("first", "count"), [(0x61, 26), (0x430, 32), (0x627, 20), (0x905, 50), (0x4E00, 20_000)])
def test_a_megabyte_without_spaces_is_cut_quickly(first, count):
    """The same for text that never repeats for long."""
    text = "".join(chr(first + (n * 7919) % count) for n in range(1_000_000 // len(chr(first).encode())))
    began = time.process_time()
    terms = tokenize(text)

    assert time.process_time() - began < 3.0
    assert len(terms) >= len(text) // LONGEST_RUN
    assert len(max(terms, key=len)) <= 2 * LONGEST_RUN  # stems are written without composed letters
