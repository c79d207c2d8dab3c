"""What notebooks show of the engine's objects: text for terminals, static HTML for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from memoryos_engine import ChatModelError, InvalidInput, ManualClock, MemoryOS, StoreError
from memoryos_integrations.jupyter import show
from memoryos_integrations.jupyter.display import SHOWN_BY_THEMSELVES, register_displays, unregister_displays
from tests.engine.fakes import TagAnalyst, TagEmbedder
from tests.integrations.failing import refuse_reading
from tests.jupyter.reading import parsed, section, words
from tests.remembered import five_animals, two_colours, two_homes


def test_a_memory_shows_its_tiers_side_by_side(open_system: Callable[..., MemoryOS]):
    html = show(five_animals(open_system)).html

    assert (
        words(section(html, "Short-term"))
        == "Short-term memory 1 page, the last of each session session zoo 1 page 2024-03-01 cat #cat"
    )
    assert [words(each.summary) for each in section(html, "Mid-term").find_all("details")] == [
        f"1.0 {animal} 1 page" for animal in ("owl", "fox", "bee", "elk")
    ]
    assert [words(each.summary) for each in section(html, "Long-term").find_all("details")] == [
        f"{animal} #{animal} said 2024-03-01" for animal in ("elk", "bee", "fox", "owl")
    ]
    head = parsed(html).find(class_="mo-head")
    assert words(head) == "ann with assistant 5 pages 4 segments 4 facts"


def test_segments_come_hottest_first_with_their_newest_pages_inside(open_system: Callable[..., MemoryOS]):
    system = open_system(embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1)
    memory = system.memory("ann")
    for number in range(7):
        memory.add_memory(f"tea {number} #tea")
    memory.add_memory("a sloop #boat")
    memory.flush()

    inside = section(show(memory).html, "Mid-term").find_all("details")

    assert [words(each.summary) for each in inside] == ["3.0 tea 7 pages", "2.0 boat 1 page"]
    assert [words(item) for item in inside[0].find_all("li")] == [f"2024-03-01 tea {n} #tea" for n in (6, 5, 4, 3, 2)]
    assert "and 2 pages more" in words(inside[0])
    assert inside[1].find(class_="mo-bar")["aria-label"] == "heat 2.0, promoted above 5"


def test_a_fact_that_ended_is_struck_out_and_shows_its_interval_and_its_pages(
    open_system: Callable[..., MemoryOS], clock: ManualClock
):
    memory = two_homes(open_system, clock)

    profile = section(show(memory).html, "Long-term").ul

    assert [words(item) for item in profile.find_all("details")] == [
        "home Bristol 2024-03-02 → now 2024-03-02 home=Bristol #home",
        "home Leeds 2024-03-01 → 2024-03-02 2024-03-01 home=Leeds #home",
    ]
    assert [item.get_text() for item in profile.find_all(class_="mo-past")] == ["Leeds"]
    assert show(memory.knowledge(history=True)[:2]).text.splitlines() == [
        "2024-03-01 → 2024-03-02  home: Leeds",
        "2024-03-02 → now  home: Bristol",
    ]


def test_a_retrieval_shows_why_each_page_was_found_as_a_stacked_bar(system: MemoryOS):
    memory = system.memory("ann")
    memory.add_memory("My sister Olga keeps reindeer.", "How many?")
    memory.add_memory("The kettle is broken.", "Oh no.")
    found = memory.in_session("later").retrieve_memory("Who keeps reindeer?", touch=False)

    items = parsed(show(found).html).find("ol").find_all("li")

    assert len(items) == len(found.pages) == 2
    best = found.explanations[found.pages[0].id]
    bar = items[0].find(class_="mo-bar")
    widths = {piece["class"][0][3:]: piece["style"] for piece in bar.find_all("i")}
    scale = max(1.0, best.total)
    assert widths == {
        name: f"width:{100 * getattr(best, name) / scale:.1f}%"
        for name in ("words", "similarity", "chain")
        if getattr(best, name) >= 0.005
    }
    assert bar["aria-label"] == words(items[0].small)
    assert words(items[0].b) == f"{best.total:.2f}"


def test_nothing_found_says_so_instead_of_an_empty_place(system: MemoryOS):
    found = system.memory("ann").retrieve_memory("anything?", touch=False)

    assert "no page outside short-term memory" in words(parsed(show(found).html))


def test_an_empty_memory_says_what_will_come_where(system: MemoryOS):
    html = show(system.memory("ann")).html

    assert words(section(html, "Short-term")).endswith("empty")
    assert words(section(html, "Mid-term")).endswith("empty: pages come here when short-term memory is full")
    assert words(section(html, "Long-term")).endswith("empty: segments hotter than 5 are read into it")


def test_pending_pages_are_shown_as_waiting(open_system: Callable[..., MemoryOS]):
    memory = open_system(short_term_capacity=2).memory("ann")
    for line in ("one", "two", "three"):
        memory.add_memory(line)

    shown = words(section(show(memory).html, "Short-term"))

    assert "Pending 2 pages left short-term memory and wait for a segment; every search finds them." in shown


def test_a_failure_in_the_background_is_shown_with_the_memory_and_by_status(open_system: Callable[..., MemoryOS]):
    analyst = TagAnalyst()
    analyst.errors["consolidate"] = ChatModelError("the endpoint is down")
    memory = open_system(analyst=analyst, embedder=TagEmbedder(), short_term_capacity=1).memory("ann")
    memory.add_memory("one #one")
    with pytest.raises(ChatModelError):
        memory.flush()

    for thing in (memory, memory.status()):
        assert "failed 1 time in a row: the endpoint is down" in words(parsed(show(thing).html))
    assert (
        show(memory.status()).text
        == "1 page pending, 0 pages of hot segments unread\nfailed 1 time: the endpoint is down"
    )


@pytest.mark.parametrize(
    ("changes", "head", "text"),
    [
        ({}, "nothing to do", "0 pages pending, 0 pages of hot segments unread"),
        ({"pending": 1}, "waiting", "1 page pending, 0 pages of hot segments unread"),
        ({"unpromoted": 2}, "waiting", "0 pages pending, 2 pages of hot segments unread"),
        ({"running": True}, "working", "0 pages pending, 0 pages of hot segments unread, running"),
    ],
)
def test_a_status_says_what_is_going_on(system: MemoryOS, changes: dict[str, Any], head: str, text: str):
    display = show(replace(system.memory("ann").status(), **changes))

    assert words(parsed(display.html).b) == head
    assert display.text == text


def test_a_broken_store_is_an_error_and_no_empty_display(system: MemoryOS, monkeypatch: pytest.MonkeyPatch):
    memory = system.memory("ann")
    refuse_reading(system, monkeypatch)

    with pytest.raises(StoreError, match="the disk is gone"):
        show(memory)


def test_a_look_counts_no_visit(open_system: Callable[..., MemoryOS]):
    memory = five_animals(open_system)
    show(memory)
    memory.flush()

    assert [segment.visits for segment in memory.segments()] == [0, 0, 0, 0]


def test_one_users_display_holds_nothing_of_another(system: MemoryOS):
    two_colours(system)
    display = show(system.memory("ann"))

    assert "red" in display.html + display.text
    assert "blue" not in display.html.partition("</style>")[2] + display.text


def test_records_show_themselves_whole(system: MemoryOS):
    page = system.memory("ann").add_memory("first line\nsecond line", "Yes.", metadata={"channel": "phone"})

    shown = parsed(show(page).html)

    assert shown.find(class_="mo-user").get_text() == "first line\nsecond line"
    assert words(shown.find(class_="mo-pairs")) == "channel phone"
    assert words(shown.find(class_="mo-head")) == "2024-03-01 12:00 UTC session default"
    assert show(page).text == "2024-03-01  first line second line\n            Yes."


def test_lists_of_records_of_one_kind_are_shown(open_system: Callable[..., MemoryOS]):
    memory = five_animals(open_system)

    assert show(memory.pages()[:2]).text == "2024-03-01  owl #owl\n2024-03-01  fox #fox"
    assert show(memory.segments()[:1]).text == "2024-03-01  owl  0 visits"
    assert show(memory.knowledge()[:1]).text == "said 2024-03-01  owl #owl"
    assert [len(parsed(show(things).html).find_all("li")) for things in (memory.pages(), memory.segments())] == [5, 4]


def test_a_long_list_is_cut_and_says_what_is_left_out(open_system: Callable[..., MemoryOS]):
    memory = open_system(short_term_capacity=200).memory("ann")
    for number in range(103):
        memory.add_memory(f"number {number}")
    display = show(memory.pages())

    assert len(parsed(display.html).find_all("li")) == 100
    assert words(parsed(display.html)).endswith("number 99 and 3 pages more")
    assert display.text.splitlines()[-2:] == ["2024-03-01  number 99", "and 3 pages more"]
    assert show(memory.pages()[:100]).text.splitlines()[-1] == "2024-03-01  number 99"


@pytest.mark.parametrize("thing", [None, "text", object(), [1, 2]])
def test_what_cannot_be_shown_is_an_error_that_says_what_can(thing: object):
    with pytest.raises(InvalidInput, match="Pass "):
        show(thing)


def test_objects_show_themselves_while_the_displays_are_registered(open_system: Callable[..., MemoryOS]):
    memory = five_animals(open_system)
    page = memory.pages()[0]
    found = memory.retrieve_memory("owl", touch=False)
    things = [
        memory,
        found,
        page,
        memory.segments()[0],
        memory.knowledge()[0],
        memory.get_user_profile(),
        memory.status(),
    ]
    shell = InteractiveShell()

    register_displays(shell)
    shown = [shell.display_formatter.format(thing)[0] for thing in things]
    unregister_displays(shell)
    after = [shell.display_formatter.format(thing)[0] for thing in things]

    assert tuple(map(type, things)) == SHOWN_BY_THEMSELVES
    assert shown == [show(thing)._repr_mimebundle_() for thing in things]
    assert [set(bundle) for bundle in after] == [{"text/plain"}] * len(things)


def test_a_display_of_a_large_memory_is_cut_and_says_what_is_left_out(open_system: Callable[..., MemoryOS]):
    system = open_system(short_term_capacity=3, embedder=TagEmbedder(), analyst=TagAnalyst())
    memory = system.memory("ann")
    letters = "abcdefghijklmnopqrst"
    turns = [
        {"user_input": f"{letter * 1_000} #{letter * 30}", "session_id": f"{number}"}
        for number in range(10)
        for letter in letters
    ]
    memory.import_turns(turns)
    memory.flush()

    display = show(memory)

    assert len((display.html + display.text).encode()) < 300_000
    assert "and 6 segments more" in words(section(display.html, "Mid-term"))
    assert words(parsed(display.html).find(class_="mo-head")).startswith("ann with assistant 200 pages 18 segments")


def test_a_list_of_nothing_says_so():
    assert (show([]).text, words(parsed(show([]).html))) == ("nothing here yet", "nothing here yet")


def test_a_bar_is_as_long_as_the_heat_and_red_above_tau_alone(open_system: Callable[..., MemoryOS]):
    system = open_system(embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1, heat_threshold=4.0)
    memory = system.memory("ann")
    for _ in range(3):
        memory.add_memory("#tea")
    memory.add_memory("#boat")
    memory.flush()
    for _ in range(5):
        memory.retrieve_memory("#boat", top_k=1)
    memory.flush()

    bars = [each.i for each in section(show(memory).html, "Mid-term").find_all(class_="mo-bar")]

    assert [(each["class"], each["style"]) for each in bars] == [(["mo-hot"], "width:100.0%"), ([], "width:66.7%")]


def test_text_for_terminals_says_what_the_html_does(open_system: Callable[..., MemoryOS]):
    memory = open_system().memory("ann")
    memory.add_memory("My sister Olga keeps reindeer.")
    found = memory.retrieve_memory("Olga", touch=False)

    assert show(found).text.splitlines() == [
        "Olga  0 pages found",
        "no page outside short-term memory",
        "1 page in short-term memory, in the context anyway",
    ]
    assert show(memory.get_user_profile()).text == "(empty)"
