from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoryos_engine.analysis.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I live here. Do you? Yes!", ["I live here.", "Do you?", "Yes!"]),
        ("سلام! حالت چطور است؟ من خوبم.", ["سلام!", "حالت چطور است؟", "من خوبم."]),
        ("你好！我叫小明。你呢？", ["你好！", "我叫小明。", "你呢？"]),
        ("मैं टॉम हूँ। आप कौन हैं?", ["मैं टॉम हूँ।", "आप कौन हैं?"]),
        ("東京に住んでいます。猫がいます。", ["東京に住んでいます。", "猫がいます。"]),
        ("one\ntwo\r\nthree\u2028four", ["one", "two", "three", "four"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("Really?! Yes...", ["Really?!", "Yes..."]),
        ("سلام.من خوبم.", ["سلام.", "من خوبم."]),
        ("Hi!I'm Tom.", ["Hi!", "I'm Tom."]),
    ],
)
def test_each_script_ends_its_sentences_with_its_own_marks(text, expected):
    assert sentences(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "It costs 3.5 euros a day.",
        "قیمت آن ۳.۵ یورو است.",
        "See https://example.com/a.b?q=1 for more.",
        "Dr. Smith met Mrs. Jones at 5 St. James Road.",
        "J. K. Rowling wrote it.",
        "Fruit, e.g. apples, vs. vegetables.",
        "Das kostet z.B. drei Euro.",
        "1. Buy milk",
        "Well... maybe not.",
        "version 2.0.1 of node.js",
    ],
)
def test_a_full_stop_inside_a_number_an_address_or_an_abbreviation_ends_nothing(text):
    assert sentences(text) == [text]


@pytest.mark.parametrize("text", ["", "  \n\t\r\n ", "\u3000"])
def test_white_space_holds_no_sentence(text):
    assert sentences(text) == []


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from(" .!?…؟。।\"')\nabAB19éсا我") | st.characters(), max_size=200))
def test_no_character_is_lost_but_the_space_between_sentences(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
