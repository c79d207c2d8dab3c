"""Stored text that would like to be more than text, in a browser that would let it."""

from __future__ import annotations

from .lab import Lab, expect
from .test_lab import notebook_of

OPEN = r"""
from tempfile import TemporaryDirectory
from memoryos_engine import ManualClock, MemoryOS, MemorySettings
from memoryos_integrations.jupyter import MemoryExplorer, plot_segments, show
%load_ext memoryos_integrations.jupyter
folder = TemporaryDirectory()
settings = MemorySettings(consolidation_delay=3600.0, short_term_capacity=1, heat_threshold=0.0)
system = MemoryOS(folder.name, settings=settings, clock=ManualClock("2024-03-01T12:00:00Z"))
memory = system.memory("<img src=x onerror=\"taken('user')\">", session_id="<script>taken('session')</script>")
"""
FILL = r"""
HOSTILE = [
    "<script>window.taken = true</script> zebra",
    "\"><img src=x onerror='window.taken = true'> zebra",
    "</style><svg onload='window.taken = true'> zebra",
    "' autofocus onfocus='window.taken = true' zebra",
    "<iframe src='javascript:parent.taken = true'></iframe> zebra",
    "<a href='javascript:window.taken = true'>zebra</a>",
    "$\\href{javascript:window.taken=true}{zebra}$",
]
for text in HOSTILE:
    memory.add_memory(text, text, metadata={text: text})
memory.add_memory("W" * 1_000_000 + " zebra")
memory.add_memory("سلام Tom! من تام هستم (zebra) 42 بار", "Fine \u202egpj.exe zebra")
memory.add_memory("👩‍👩‍👧‍👦 zebra 日本語")
memory.add_memory("the end")
memory.flush()
"""
ALL = r"""
from IPython.display import display
found = memory.in_session("later").retrieve_memory("zebra", touch=False)
for thing in (memory, found, memory.pages(), memory.segments(), memory.knowledge(), memory.pages()[1], found.pages[0]):
    display(show(thing))
"""


def test_hostile_text_is_shown_and_never_obeyed(lab: Lab) -> None:
    notebook = lab.open(notebook_of(OPEN, FILL, ALL, "plot_segments(memory, HOSTILE[0])", "MemoryExplorer(memory)"))
    notebook.run_all()
    page = notebook.page
    explorer = page.locator(".mo-explorer")
    view = explorer.locator(".mo-view")

    explorer.get_by_role("searchbox").fill("<img src=x onerror='window.taken = true'> zebra")
    expect(explorer.locator(".mo-status")).to_have_text("10 pages found")
    for place in range(3):
        view.locator("ol > li").nth(place).get_by_role("button").click()
        expect(view.get_by_role("heading", name="Page", exact=True)).to_be_visible()
        view.get_by_role("button", name="Back").click()
        expect(view.locator("ol > li")).to_have_count(10)

    shown = page.locator(".jp-OutputArea-output .memoryos")
    assert shown.locator("script, img, svg, iframe, a, [onerror], [onload], [onfocus]").count() == 0
    assert page.evaluate("window.taken ?? null") is None
    expect(shown.get_by_text("<script>window.taken = true</script> zebra").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    notebook.screenshot("hostile")
    notebook.screenshot("hostile-explorer", explorer)
    assert notebook.errors == []


ANSWERS = r"""
from memoryos_engine import ScriptedChatModel
HOSTILE = [
    '[x](https://elsewhere.invalid/$"style="background:url(https://elsewhere.invalid/)"onmouseover="window.taken=1"$)',
    'https://elsewhere.invalid/$"style="animation:load3 1s"onanimationstart="window.taken=1"$',
    '```$"onmouseover="window.taken=1$\nx\n```',
    '```mermaid\nflowchart TD\n  A@{ img: "https://elsewhere.invalid/?secret" }\n```',
    "$\\require{html}$ ![](https://elsewhere.invalid/) <img src=x onerror=window.taken=1>",
    "A kettle costs $5, a better one $7.",
]
model = MemoryOS(TemporaryDirectory().name, llm=ScriptedChatModel(HOSTILE))
%memoryos use model user ann
"""
CONTROL = "from IPython.display import HTML\nHTML('<p class=control>$x^2$</p>')"


def test_answers_of_a_model_run_nothing_fetch_nothing_and_keep_their_prices(lab: Lab) -> None:
    """The control shows that Lab does look for formulas in what cells show."""
    chats = [f"%%chat\nquestion {number}" for number in range(6)]
    notebook = lab.open(notebook_of(OPEN, ANSWERS, *chats, CONTROL))
    notebook.run_all()
    page = notebook.page
    expect(page.locator(".control mjx-container")).to_be_visible()

    answers = page.locator(".mo-answer")
    expect(answers).to_have_count(6)
    for number in range(6):
        answers.nth(number).hover()
    assert answers.locator("a, img, svg, mjx-container, [style], [onmouseover], [onanimationstart]").count() == 0
    expect(answers.last).to_have_text("A kettle costs $5, a better one $7.")
    assert page.evaluate("window.taken ?? null") is None
    assert notebook.errors == []


def test_mixed_languages_keep_their_own_direction(lab: Lab) -> None:
    notebook = lab.open(notebook_of(OPEN, FILL, "show(memory.pages()[8])"))
    notebook.run_all()
    said = notebook.page.locator(".jp-OutputArea-output .mo-said")

    expect(said).to_have_text(["سلام Tom! من تام هستم (zebra) 42 بار", "Fine �gpj.exe zebra"])
    assert [said.nth(place).evaluate("each => getComputedStyle(each).direction") for place in (0, 1)] == ["rtl", "ltr"]
    notebook.screenshot("persian", said.first)
