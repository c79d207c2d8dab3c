"""The explorer's script, in a browser, on the views of a real memory; the wire between them can be held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import memoryos_integrations.jupyter as package
from memoryos_engine import MemoryOS, UserMemory
from memoryos_integrations.jupyter import MemoryExplorer
from tests.integrations.failing import broken_store
from tests.remembered import five_animals

from .lab import expect, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCRIPT = (Path(package.__file__).parent / "explorer.js").read_text(encoding="utf-8")
OPEN = """async ([script, traits]) => {
    const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(script));
    window.held = null;
    const hear = [];
    const model = {
        get: name => traits[name],
        on: (_, listener) => hear.push(listener),
        off: () => {},
        send: async request => {
            const answer = await window.ask(request);
            if (window.held) window.held.push(answer);
            else hear.forEach(listener => listener(answer));
        },
    };
    window.release = () => {
        const answers = window.held;
        window.held = null;
        answers.forEach(answer => hear.forEach(listener => listener(answer)));
    };
    module.default.render({ model, el: document.body });
}"""


class Explored:
    """An explorer that is open in a page, without a kernel between."""

    def __init__(self, page: Page, memory: UserMemory) -> None:
        self.memory = memory
        self.page = page
        self.errors = watched(page)
        self.asked: list[dict[str, Any]] = []
        self._explorer = MemoryExplorer(memory)
        page.expose_function("ask", self._ask)
        page.evaluate(OPEN, [SCRIPT, {"opening": self._explorer.opening, "first": self._explorer.first}])
        self.view, self.search = page.locator(".mo-view"), page.get_by_role("searchbox")
        self.status, self.error = page.get_by_role("status"), page.locator(".mo-error")

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        return {**self._explorer._answer(request), "id": request["id"]}

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def tab(self, name: str) -> Any:
        return self.page.locator(".mo-tabs").get_by_role("button", name=name)


@pytest.fixture
def explored(browser: Browser, open_system: Callable[..., MemoryOS]) -> Iterator[Explored]:
    with browser.new_context() as context:
        explorer = Explored(context.new_page(), five_animals(open_system))
        yield explorer
        assert explorer.errors == []


def test_clearing_the_search_shows_the_segments_and_leaves_the_focus_where_it_is(explored: Explored) -> None:
    explored.search.press_sequentially("owl")
    expect(explored.status).to_have_text("4 pages found")
    for _ in "owl":
        explored.page.keyboard.press("Backspace")

    expect(explored.tab("Segments")).to_have_attribute("aria-current", "true")
    expect(explored.search).to_be_focused()


def test_typing_fast_draws_the_last_search_alone(explored: Explored) -> None:
    explored.page.evaluate("window.held = []")
    explored.search.press_sequentially("ow", delay=250)
    explored.search.press_sequentially("l", delay=250)
    explored.page.wait_for_function("window.held.length === 3")
    explored.page.evaluate("window.held.reverse(); window.release()")

    expect(explored.status).to_have_text("4 pages found")
    expect(explored.view.locator("ol > li").first).to_contain_text("owl #owl")
    assert [request["key"] for request in explored.asked] == ["o", "ow", "owl"]


def test_a_row_opens_by_a_click_on_its_text(explored: Explored) -> None:
    explored.tab("Short-term").click()
    explored.view.get_by_text("cat #cat").click()

    expect(explored.view.get_by_role("heading", name="Page", exact=True)).to_be_focused()


def test_back_leads_through_what_was_opened(explored: Explored) -> None:
    explored.view.locator(".mo-open").first.click()
    expect(explored.view.get_by_role("heading", name="Segment")).to_be_visible()
    explored.view.locator(".mo-open").first.click()
    expect(explored.view.get_by_role("heading", name="Page", exact=True)).to_be_visible()
    explored.button("Back").click()
    expect(explored.view.get_by_role("heading", name="Segment")).to_be_visible()
    explored.button("Back").click()

    expect(explored.view.locator(".mo-open")).to_have_count(4)
    assert [request["show"] for request in explored.asked] == ["segment", "page", "segment", "segments"]


def test_after_forgetting_the_last_page_of_a_segment_back_leads_to_what_is_there(explored: Explored) -> None:
    explored.view.locator(".mo-open").first.click()
    expect(explored.view.get_by_role("heading", name="Segment")).to_be_visible()
    explored.view.locator(".mo-open").first.click()
    explored.button("Forget this page").click()
    explored.button("Forget it").click()
    expect(explored.status).to_have_text("Forgotten.")
    expect(explored.view.locator(".mo-open")).to_have_count(3)
    explored.view.locator(".mo-open").first.click()
    expect(explored.view.get_by_role("heading", name="Segment")).to_be_visible()
    explored.button("Back").click()

    expect(explored.view.locator(".mo-open")).to_have_count(3)
    expect(explored.error).to_be_hidden()


def test_what_became_of_forgetting_is_told_also_to_somebody_who_went_on(explored: Explored) -> None:
    explored.tab("Facts").click()
    explored.view.locator(".mo-open").first.click()
    explored.button("Forget this fact").click()
    explored.page.evaluate("window.held = []")
    explored.button("Forget it").click()
    explored.tab("Pending").click()
    explored.page.wait_for_function("window.held.length === 2")
    explored.page.evaluate("window.release()")

    expect(explored.status).to_have_text("Forgotten.")
    expect(explored.tab("Pending")).to_have_attribute("aria-current", "true")
    assert len(explored.memory.knowledge()) == 3


def test_a_failure_to_forget_is_told_and_the_record_is_there(explored: Explored) -> None:
    explored.tab("Facts").click()
    explored.view.locator(".mo-open").first.click()
    explored.button("Forget this fact").click()
    with broken_store(explored.memory.system):
        explored.page.evaluate("window.held = []")
        explored.button("Forget it").click()
        explored.tab("Pending").click()
        explored.page.wait_for_function("window.held.length === 2")
        explored.page.evaluate("window.release()")
        expect(explored.error).to_have_text("the disk is full")

    assert len(explored.memory.knowledge()) == 4


def test_what_is_gone_is_said_and_back_still_works(explored: Explored) -> None:
    for page in explored.memory.pages()[:1]:
        explored.memory.forget(page.id)
    explored.view.locator(".mo-open").first.click()
    expect(explored.error).to_have_text("This is gone: it was forgotten meanwhile.")
    explored.view.locator(".mo-open").nth(1).click()
    expect(explored.view.get_by_role("heading", name="Segment")).to_be_visible()
    expect(explored.error).to_be_hidden()
    explored.button("Back").click()

    expect(explored.view.locator(".mo-open")).to_have_count(3)
    expect(explored.error).to_be_hidden()


def test_a_kernel_that_does_not_answer_is_said_to_be_busy(explored: Explored) -> None:
    explored.page.clock.install()
    explored.page.evaluate("window.held = []")
    explored.tab("Facts").click()
    explored.page.wait_for_function("window.held.length === 1")
    explored.page.clock.run_for(3001)
    expect(explored.status).to_have_text("The kernel is busy or gone; this appears when it answers.")
    explored.page.evaluate("window.release()")

    expect(explored.view.locator(".mo-open")).to_have_count(4)
    expect(explored.status).to_have_text("")
