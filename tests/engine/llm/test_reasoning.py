"""Reasoning before the answer goes, and nothing else does."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memoryos_engine.llm import visible_pieces, without_reasoning

NAMES = ("think", "thinking", "reasoning", "thought")
TICKS = "```"

REASONED = {
    "a block": ("<think>hmm</think>Paris", "Paris"),
    "a block on lines of its own": ("<think>\nhmm\n\nwell\n</think>\n\nParis\n", "Paris\n"),
    "whitespace before it": (" \n<think>hmm</think> Paris", "Paris"),
    "an empty block": ("<think>\n\n</think>\n\nParis", "Paris"),
    "several in a row": ("<think>a</think>\n<reasoning>b</reasoning> <think>c</think>Paris", "Paris"),
    "any case": ("<THINK>hmm</Think>Paris", "Paris"),
    "attributes": ('<think type="deep" n=3>hmm</think>Paris', "Paris"),
    "spaces in the tags": ("< think >hmm</ think\n>Paris", "Paris"),
    "a block within a block": ("<think>a <thought>b</thought> c</think>Paris", "Paris"),
    "another name closes nothing": ("<think>a</thinking>b</think>Paris", "Paris"),
    "the first closing tag ends it": ("<think>a</think>b</think>Paris", "b</think>Paris"),
    "nothing but a block": ("<think>hmm</think>", ""),
    "an unclosed block": ("<think>Paris, I suppose", ""),
    "an unclosed block after a block": ("<think>a</think><think>b", ""),
    "a block that is all but closed": ("<think>a</think", ""),
    "a block opened in the prompt": ("I suppose\n</think>\n\nParis", "Paris"),
    "a closing tag without any space": ("I suppose.</think>Paris", "Paris"),
    "a closing tag with spaces": ("I suppose </think> Paris", "Paris"),
    "a closing tag at the start": ("</think>\nParis", "Paris"),
    "a closing tag at the end": ("I suppose</think>", ""),
    "a fenced answer after the closing tag": (f"hmm</think>{TICKS}json\n{{}}\n{TICKS}", f"{TICKS}json\n{{}}\n{TICKS}"),
    "a fenced draft before the closing tag": (f"{TICKS}\n{{}}\n{TICKS}\n</think>{{}}", "{}"),
    "a mention before the real closing tag": ("It ends at `</think>`. Yes.</think>Paris", "Paris"),
    "a block after a closing tag": ("hmm</think><think>again</think>Paris", "Paris"),
    "a mention in the answer": ("<think>a</think>It is written `</think>`.", "It is written `</think>`."),
}
ANSWERS = {
    "no tag": "Paris",
    "nothing": "",
    "a block in the middle": "Write <think>so</think> and it is hidden.",
    "a block in the middle of code": f"Write:\n{TICKS}html\n<think>\nso\n</think>\n{TICKS}\nDone.",
    "a tag between backticks": "`<think>` opens what `</think>` closes.",
    "only a closing tag between backticks": "Models end it with `</think>` and answer.",
    "only a closing tag between quotes": "parts = text.split('</think>')",
    "only a closing tag before a full stop": "Models end it with </think>. Then they answer.",
    "only a closing tag in code": f"Like this:\n{TICKS}\nhmm\n</think>\nParis\n{TICKS}",
    "only an opening tag": "HTML has no <think> tag.",
    "another tag at the start": "<b>Paris</b>",
    "a name that only begins like one": "<thinker>hmm</thinker>",
    "a longer name": "<thoughtful>hmm</thoughtful>",
    "an empty element": "<think/>Paris",
    "a tag that never ends": "<think",
    "a comparison": "a < b and think > c",
    "an opening tag between backticks at the start": "`<think>` opens it and </think> closes it",
}


@pytest.mark.parametrize(("text", "answer"), REASONED.values(), ids=REASONED)
def test_reasoning_goes(text, answer):
    assert without_reasoning(text) == answer


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_stays_as_it_is(text):
    assert without_reasoning(text) == text


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_known(name):
    assert without_reasoning(f"<{name}>hmm</{name}>Paris") == without_reasoning(f"hmm</{name}>Paris") == "Paris"


def test_whitespace_before_an_answer_goes():
    assert without_reasoning("\n\n Paris ") == "Paris "


def test_a_model_known_to_open_its_blocks_itself_may_mention_what_it_likes():
    assert without_reasoning("It ends with </think> here", may_start_inside=False) == "It ends with </think> here"
    assert without_reasoning("<think>hmm</think>Paris", may_start_inside=False) == "Paris"


ALPHABET = st.sampled_from(
    (
        *("<think>", "</think>", "</thought>", "<Thought a=1>", "< / THINK >", "<think/>", TICKS, "`", "``", "'", "."),
        *("<", ">", "/", "think", "</", "<thin", "king", " ", "\n", "a", "猫", "<" + " " * 9, "<think " + "b" * 199),
    )
)


@given(st.lists(ALPHABET, max_size=12).map("".join), st.data(), st.booleans())
@example("<think>a</think>b", None, True)
def test_a_stream_cut_anywhere_is_the_whole(text, data, may_start_inside):
    """What is visible does not depend on where the chunks of a stream happen to end."""
    whole = without_reasoning(text, may_start_inside=may_start_inside)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8))) if data else []
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert "".join(visible_pieces(pieces, may_start_inside=may_start_inside)) == whole
    assert "".join(visible_pieces(text, may_start_inside=may_start_inside)) == whole


@given(st.text(st.characters(exclude_characters="<")), st.text(st.characters(exclude_characters="<")))
def test_any_reasoning_goes_before_any_answer(reasoning, answer):
    assert without_reasoning(f"<think>{reasoning}</think>{answer}") == answer.lstrip()


@given(st.lists(ALPHABET, max_size=12).map("".join))
def test_what_is_left_is_the_end_of_the_text(text):
    assert text.endswith(without_reasoning(text))


def shown_after_each(pieces, **options):
    """What is visible after each piece, before the next one is read."""
    log = []

    def reading():
        for piece in pieces:
            log.append(shown.copy())
            yield piece

    shown: list[str] = []
    for visible in visible_pieces(reading(), **options):
        shown.append(visible)
    return ["".join(pieces) for pieces in [*log[1:], shown]]


def test_after_a_block_each_piece_is_there_at_once():
    pieces = ["<thi", "nk>a</th", "ink>", "\n", "Pa", "ris", " <", "b>"]

    assert shown_after_each(pieces) == ["", "", "", "", "Pa", "Paris", "Paris <", "Paris <b>"]


def test_without_rule_two_an_answer_passes_through_at_once():
    pieces = ["`", "Pa", "ris", " <think>"]

    assert shown_after_each(pieces, may_start_inside=False) == ["`", "`Pa", "`Paris", "`Paris <think>"]


def test_with_rule_two_an_answer_waits_for_the_first_tag():
    pieces = ["Pa", "ris", " <think>", " is", " no tag"]

    assert shown_after_each(pieces) == ["", "", "Paris <think>", "Paris <think> is", "Paris <think> is no tag"]


def test_what_begins_like_a_tag_waits_no_longer_than_it_must():
    assert shown_after_each(["<", "t", "h", "e>"], may_start_inside=False) == ["", "", "", "<the>"]


MILLION = 1_000_000
HOSTILE = {
    "opening tags": "<think>" * (MILLION // 7),
    "closing tags of another name": "<think>" + "</thinking>" * (MILLION // 11),
    "blocks": "<think></think>" * (MILLION // 15),
    "closing tags": "</think>" * (MILLION // 8),
    "mentions": "`</think>`" * (MILLION // 10),
    "tags that are not closed": "a" + "</think " * (MILLION // 8),
    "a tag without end": "<think " + "a" * MILLION,
    "spaces in tags": "a" + ("<" + " " * 9) * (MILLION // 10),
    "one long gap": "a<" + " " * MILLION,
    "angles": "<" * MILLION,
    "whitespace": " " * MILLION,
    "backticks": "a" + "`" * MILLION,
    "slashes": "</" * (MILLION // 2),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_linear_time(text):
    """A megabyte in well under a second each; what is quadratic takes minutes."""
    started = time.process_time()
    whole = without_reasoning(text)
    pieces = [text[start : start + 100] for start in range(0, len(text), 100)]
    cut = "".join(visible_pieces(pieces))

    assert cut == whole
    assert time.process_time() - started < 10
