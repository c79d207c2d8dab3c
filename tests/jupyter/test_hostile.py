"""Whatever was stored is data: shown as it was said, obeyed by nobody."""

from __future__ import annotations

import pytest

from memoryos_engine import MemoryOS
from memoryos_integrations.jupyter import show
from memoryos_integrations.jupyter.explorer_views import ExplorerViews
from memoryos_integrations.jupyter.visible_text import one_line, whole
from tests.jupyter.reading import parsed, strangers, words

HOSTILE = [
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "' onmouseover='alert(1)' x='",
    "</style><script>document.title='taken'</script>",
    "</bdi></div></details><h1>mine</h1><!--",
    "{{ 7 * 7 }}{% include 'memory.html' %}",
    "<svg onload=alert(1)><a href=javascript:alert(1)>here</a>",
    "&lt;b&gt; &amp;#60; &nbsp;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_in_every_field_is_shown_as_it_was_said(system: MemoryOS, text: str):
    memory = system.memory(f"user {text}", f"assistant {text}", f"session {text}")
    for number in range(9):
        page = memory.add_memory(f"{text} {number}", f"answer {text}", metadata={f"key {text}": f"value {text}"})
    memory.flush()
    found = memory.in_session("later").retrieve_memory(f"what about {text}", touch=False)
    views = ExplorerViews(memory)
    shown = [
        *(
            show(thing).html
            for thing in (memory, found, page, memory.segments()[0], memory.get_user_profile(), memory.pages())
        ),
        views.opening(),
        *(views.answer({"show": view})["html"] for view in ("short_term", "pending", "segments", "facts")),
        views.answer({"show": "page", "key": page.id})["html"],
        views.answer({"show": "segment", "key": memory.segments()[0].id})["html"],
        views.answer({"show": "found", "key": text})["html"],
    ]

    assert [strangers(html) for html in shown] == [[] for _ in shown]
    said = " ".join(f"{text} 8".split())
    assert said in words(parsed(show(page).html))
    assert f"key {text}"[:20] in words(parsed(show(page).html))


def test_signs_that_turn_the_line_around_are_made_visible_and_the_language_is_not():
    persian = "سلام! من تام هستم"

    assert one_line(f"a{persian} \u202egpj.exe\u2066x") == f"a{persian} �gpj.exe�x"
    assert one_line("می‌خواهم") == "می‌خواهم"  # the zero-width joiner of Persian is spelling
    assert one_line("bell\x07 null\x00 escape\x1b[31m") == "bell␇ null␀ escape␛[31m"
    assert whole("two\nlines\r\nthree\x00") == "two\nlines\nthree␀"


def test_a_text_takes_the_direction_of_its_own_language(system: MemoryOS):
    page = system.memory("ann").add_memory("سلام Tom! حالت چطوره؟", "Fine, ممنون.")

    shown = parsed(show(page).html)

    assert [(each["dir"], each.get_text()) for each in shown.find_all("div", class_="mo-said")] == [
        ("auto", "سلام Tom! حالت چطوره؟"),
        ("auto", "Fine, ممنون."),
    ]


def test_a_word_of_a_megabyte_is_cut_with_a_count_of_what_is_left(system: MemoryOS):
    memory = system.memory("ann")
    page = memory.add_memory("x" * 1_000_000)

    assert parsed(show(page).html).find(class_="mo-user").get_text() == f"{'x' * 4000}… (996,000 characters more)"
    assert parsed(show(memory).html).find(class_="mo-user").get_text() == f"{'x' * 159}…"
    assert len(show(memory).html) + len(show(memory).text) < 20_000


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n" * 1000 + "far down", "far down"),
        ("near by" + " " * 1000, "near by"),
        ("one" + " " * 1000 + "two", "one…"),
    ],
)
def test_blanks_hide_nothing_that_was_said(text: str, line: str):
    assert one_line(text) == line


@pytest.mark.parametrize("family", ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "é"])
def test_a_cut_leaves_no_joiner_behind(family: str):
    for limit in range(2, 40):
        assert not one_line(family * 40, limit).removesuffix("…").endswith("\u200d")


def test_emoji_and_scripts_are_shown_as_they_are(system: MemoryOS):
    text = "👩‍👩‍👧‍👦 日本語 हिन्दी עברית ñ"
    page = system.memory("ann").add_memory(text)

    assert parsed(show(page).html).find(class_="mo-user").get_text() == text
