"""The explorer, from the kernel's side: what it answers to what a browser asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from memoryos_engine import InvalidInput, ManualClock, MemoryOS, NotFound, StoreError, UserMemory
from memoryos_integrations.jupyter import MemoryExplorer, show
from memoryos_integrations.jupyter.explorer import GONE
from memoryos_integrations.jupyter.explorer_views import ExplorerViews
from tests.integrations.failing import broken_store, refuse_reading
from tests.jupyter.reading import parsed, words
from tests.remembered import five_animals, two_homes
from tests.tagged import remember, tagged


@pytest.fixture
def animals(open_system: Callable[..., MemoryOS]) -> UserMemory:
    return five_animals(open_system)


def items(html: str) -> list[str]:
    return [words(item) for item in parsed(html).find_all("li")]


def opened(html: str) -> list[tuple[str, str]]:
    """What can be opened: views and keys."""
    return [(each["data-show"], each.get("data-key", "")) for each in parsed(html).find_all(attrs={"data-show": True})]


def tabs(answer: Mapping[str, str]) -> list[str]:
    return [words(tab) for tab in parsed(answer["tabs"]).find_all("button")]


def test_it_opens_with_the_segments_and_a_tab_for_each_tier(animals: UserMemory):
    opening = parsed(ExplorerViews(animals).opening())

    assert [words(tab) for tab in opening.nav.find_all("button")] == [
        "Short-term 1",
        "Pending 0",
        "Segments 4",
        "Archive 0",
        "Facts 4",
    ]
    assert [words(item) for item in opening.find_all("li")] == [
        f"1.0 {animal} 1 page {animal} #{animal}" for animal in ("owl", "fox", "bee", "elk")
    ]
    assert opening.input["aria-label"] == "Search this memory"


def test_a_segment_opens_with_its_pages_and_a_page_with_its_segment_and_facts(animals: UserMemory):
    views, owl = ExplorerViews(animals), animals.pages()[0]

    segment = views.answer({"show": "segment", "key": owl.segment_id})["html"]
    page = views.answer({"show": "page", "key": owl.id})["html"]

    assert opened(segment) == [("page", owl.id)]
    assert opened(page) == [
        ("segment", owl.segment_id),
        ("fact", animals.knowledge()[0].id),
        ("page", animals.pages()[1].id),
    ]


def test_a_page_says_where_it_is_and_leads_to_the_pages_around_it(animals: UserMemory):
    views, pages = ExplorerViews(animals), animals.pages()

    fox, cat = (views.answer({"show": "page", "key": page.id})["html"] for page in (pages[1], pages[4]))

    assert words(parsed(fox).find("p")) == "2024-03-01 12:00 UTC, session zoo , in a segment"
    assert words(parsed(cat).find("p")) == "2024-03-01 12:00 UTC, session zoo , in short-term memory"
    assert [key for view, key in opened(fox) if view == "page"] == [pages[0].id, pages[2].id]
    assert [key for view, key in opened(cat) if view == "page"] == [pages[3].id]


def test_what_is_forgotten_is_what_is_shown(animals: UserMemory):
    views = ExplorerViews(animals)

    for view, key in (("page", animals.pages()[0].id), ("fact", animals.knowledge()[0].id)):
        html = parsed(views.answer({"show": view, "key": key})["html"])
        assert html.find(attrs={"data-forget": True})["data-forget"] == key


def test_a_bar_of_heat_is_measured_by_tau_where_nothing_is_hotter(open_system: Callable[..., MemoryOS]):
    """Eq. 4: the heat of a new page's segment is 2; tau is 5."""
    memory = tagged(open_system)
    remember(memory, "#a 0")

    html = parsed(ExplorerViews(memory).answer({"show": "segments"})["html"])

    assert html.find(class_="mo-bar").i["style"] == "width:40.0%"


def test_an_archived_segment_says_so_and_its_page_is_in_the_archive(open_system: Callable[..., MemoryOS]):
    memory = tagged(open_system, mid_term_capacity=1)
    remember(memory, "#a 0", "#b 0", "#b 1")
    views, gone = ExplorerViews(memory), memory.pages()[0]

    segment = views.answer({"show": "segment", "key": gone.segment_id})["html"]
    archive = views.answer({"show": "archive"})["html"]

    assert words(parsed(segment).find(class_="mo-dim")) == "in the archive, 0 visits, opened 2024-03-01"
    assert items(archive) == ["2024-03-01 session default #a 0"]


def test_a_fact_leads_to_its_source_pages(animals: UserMemory):
    fact = animals.knowledge()[0]

    html = ExplorerViews(animals).answer({"show": "fact", "key": fact.id})["html"]

    assert opened(html) == [("page", fact.source_page_ids[0])]
    assert items(html) == ["2024-03-01 session zoo owl #owl"]


def test_a_fact_shows_what_it_ended(open_system: Callable[..., MemoryOS], clock: ManualClock):
    memory = two_homes(open_system, clock)
    new = memory.knowledge()[0]

    html = ExplorerViews(memory).answer({"show": "fact", "key": new.id})["html"]

    assert words(parsed(html).find("p")) == "home Bristol"
    assert items(html)[0] == "home Leeds 2024-03-01 → 2024-03-02"


def test_a_search_explains_itself_and_counts_no_visit(animals: UserMemory):
    answer = ExplorerViews(animals).answer({"show": "found", "key": "fox #fox"})
    animals.flush()

    best = parsed(answer["html"]).find("ol").li
    assert answer["status"] == "4 pages found"
    assert words(best).startswith("2024-03-01")
    assert "fox #fox" in words(best)
    assert best.find(class_="mo-bar")["aria-label"].startswith("words ")
    assert [segment.visits for segment in animals.segments()] == [0, 0, 0, 0]
    facts, in_context = (parsed(answer["html"]).find_all("ul")[place] for place in (-2, -1))
    assert "fox #fox" in [words(fact.button) for fact in facts.find_all("li")]
    assert opened(str(in_context)) == [("page", animals.pages()[4].id)]


def test_long_lists_come_in_steps(open_system: Callable[..., MemoryOS]):
    memory = open_system(short_term_capacity=100).memory("ann")
    for number in range(65):
        memory.add_memory(f"number {number}")
    views = ExplorerViews(memory)

    first, middle, last = (views.answer({"show": "short_term", "offset": start})["html"] for start in (0, 30, 60))

    assert [len(items(html)) for html in (first, middle, last)] == [30, 30, 5]
    assert items(first)[0].endswith("number 64")
    assert items(last)[-1].endswith("number 0")
    assert [words(parsed(html).find(class_="mo-steps")) for html in (first, middle, last)] == [
        "1 to 30 of 65 older",
        "newer 31 to 60 of 65 older",
        "newer 61 to 65 of 65",
    ]


def test_the_pages_of_a_segment_come_newest_first_and_a_step_that_is_gone_leads_to_the_first(
    open_system: Callable[..., MemoryOS],
):
    memory = tagged(open_system)
    remember(memory, "#a 0", "#a 1", "#a 2")
    request = {"show": "segment", "key": memory.segments()[0].id}
    views = ExplorerViews(memory)

    first, beyond, before = (views.answer({**request, "offset": start})["html"] for start in (0, 30, -1))

    assert items(first) == [f"2024-03-01 session default #a {number}" for number in (2, 1, 0)]
    assert (beyond, before) == (first, first)


def test_forgetting_a_page_takes_it_and_its_fact_and_shows_the_view_before(animals: UserMemory):
    owl = animals.pages()[0]

    answer = ExplorerViews(animals).answer({"show": "facts", "forget": owl.id})

    assert [page.user_input for page in animals.pages()] == ["fox #fox", "bee #bee", "elk #elk", "cat #cat"]
    assert answer["status"] == "Forgotten."
    assert [item.partition("  ")[0] for item in items(answer["html"])] == [
        f"User knowledge {animal} #{animal} said 2024-03-01" for animal in ("elk", "bee", "fox")
    ]
    assert tabs(answer)[-1] == "Facts 3"


def test_forgetting_the_last_page_of_a_segment_shows_the_segments_that_are_left(animals: UserMemory):
    owl = animals.pages()[0]

    answer = ExplorerViews(animals).answer({"show": "segment", "key": owl.segment_id, "forget": owl.id})

    assert answer["status"] == "Forgotten."
    assert len(items(answer["html"])) == 3


def test_what_is_gone_is_an_error_and_not_an_empty_view(animals: UserMemory):
    views = ExplorerViews(animals)

    for request in ({"show": "page", "key": "x"}, {"show": "fact", "key": "x"}, {"show": "segment", "key": "x"}):
        with pytest.raises(NotFound):
            views.answer(request)
    with pytest.raises(NotFound):
        views.answer({"show": "facts", "forget": "x"})


@pytest.mark.parametrize(
    "request_",
    [{}, {"show": "nothing"}, {"show": "page", "key": 3}, {"show": "facts", "offset": "1"}, {"show": ["facts"]}],
)
def test_a_request_for_no_view_is_refused(animals: UserMemory, request_: dict[str, Any]):
    with pytest.raises(InvalidInput, match="no view of the explorer"):
        ExplorerViews(animals).answer(request_)


def test_what_is_no_memory_is_refused():
    with pytest.raises(InvalidInput, match=r"system\.memory"):
        MemoryExplorer("tom")  # type: ignore[arg-type]


class Browser:
    """What a browser hears of a widget."""

    def __init__(self, explorer: MemoryExplorer) -> None:
        self.heard: list[dict[str, Any]] = []
        explorer.send = lambda content, buffers=None: self.heard.append(content)  # type: ignore[method-assign]
        self._explorer = explorer

    def ask(self, **request: Any) -> dict[str, Any]:
        self._explorer._handle_custom_msg(request, [])
        return self.heard[-1]


def test_a_browser_gets_its_answer_under_the_number_of_its_question(animals: UserMemory):
    browser = Browser(MemoryExplorer(animals))

    assert browser.ask(id="a:1", show="facts")["id"] == "a:1"
    assert set(browser.ask(id="a:2", show="facts")) == {"id", "html", "status", "tabs", "place"}


def test_a_failure_reaches_the_browser_as_a_message_and_nothing_is_forgotten(animals: UserMemory):
    browser = Browser(MemoryExplorer(animals))
    page = animals.pages()[0]

    with broken_store(animals.system):
        answer = browser.ask(id="a:1", show="facts", forget=page.id)

    assert answer == {"id": "a:1", "error": "the disk is full"}
    assert page.id in [each.id for each in animals.pages()]
    assert browser.ask(id="a:2", show="page", key="x") == {"id": "a:2", "error": GONE}


def test_where_widgets_do_not_run_the_static_display_stands_in_its_place(animals: UserMemory):
    data, _ = MemoryExplorer(animals)._repr_mimebundle_()

    assert set(data) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert {key: data[key] for key in ("text/plain", "text/html")} == show(animals)._repr_mimebundle_()


def test_a_broken_store_is_an_error_when_it_opens(system: MemoryOS, monkeypatch: pytest.MonkeyPatch):
    refuse_reading(system, monkeypatch)

    with pytest.raises(StoreError, match="the disk is gone"):
        MemoryExplorer(system.memory("ann"))
