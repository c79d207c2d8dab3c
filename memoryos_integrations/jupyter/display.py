"""What the engine gives, as something to look at: text for terminals, static HTML for everything else.

The engine knows nothing of HTML. `show` makes a display of one of its objects; once the extension is loaded, a cell
that ends with such an object shows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch
from typing import Any

from memoryos_engine.errors import InvalidInput
from memoryos_engine.memory import UserMemory
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment, UserProfile
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.status import MemoryStatus
from memoryos_engine.tier_view import count
from memoryos_integrations.jupyter import plain_text
from memoryos_integrations.jupyter.brief_errors import in_one_line
from memoryos_integrations.jupyter.overview import SEGMENTS_SHOWN, SESSION_PAGES_SHOWN, full_bar, overview, sources_of
from memoryos_integrations.jupyter.rendering import render

ROWS_SHOWN = 100
"""Records of a list that a display shows; the rest are counted."""
FACTS_SHOWN = 30
"""Facts of a retrieval, with their pages."""
NOTHING = "nothing here yet"


class Display:
    """A view of something at one moment: it does not change with what it shows.

    Args:
        text: for terminals, and whatever shows no HTML.
        html: stands by itself: no script, nothing from elsewhere, all stored text escaped.
    """

    def __init__(self, text: str, html: str) -> None:
        self.text = text
        self.html = html

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        return {"text/plain": self.text, "text/html": self.html}

    def __repr__(self) -> str:
        return self.text


@singledispatch
def show(thing: Any) -> Display:
    """Return a display of a memory, a retrieval, a status, a profile, a record, or a list of records of one kind.

    It is a snapshot, and never counts as a visit. A memory of any size takes well under 300 KB: what is left out is
    counted in its place.

    Raises:
        InvalidInput: it is none of these.
        StoreError: the memory cannot be read.
    """
    raise InvalidInput("thing", f"is a {type(thing).__name__}", "Pass a memory, a retrieval, a status or a record.")


@show.register
def _(memory: UserMemory) -> Display:
    text = plain_text.memory_text(memory, most=SEGMENTS_SHOWN)
    return Display(text, render("memory.html", view=overview(memory), status=memory.status()))


@show.register
def _(found: RetrievedMemory) -> Display:
    facts = (*found.user_knowledge, *found.assistant_knowledge)[:FACTS_SHOWN]
    html = render(
        "retrieval.html",
        found=found,
        pages=found.pages[:ROWS_SHOWN],
        short_term=found.short_term[-SESSION_PAGES_SHOWN:],
        facts=facts,
        sources=sources_of(facts, found.sources),
        scale=full_bar(found),
        live=False,
    )
    return Display(plain_text.retrieval_text(found), html)


@show.register
def _(status: MemoryStatus) -> Display:
    return Display(plain_text.status_text(status), render("status.html", status=status))


@show.register
def _(page: DialoguePage) -> Display:
    return Display(plain_text.pages_text([page]), render("page.html", page=page))


@show.register
def _(segment: Segment) -> Display:
    return Display(plain_text.segments_text([segment]), render("segment.html", segment=segment))


@show.register
def _(entry: KnowledgeEntry) -> Display:
    return show([entry])


@show.register
def _(profile: UserProfile) -> Display:
    return Display(plain_text.profile_text(profile), render("profile.html", profile=profile))


@show.register(list)
@show.register(tuple)
def _(records: Sequence[Any]) -> Display:
    if not records:
        return Display(NOTHING, render("nothing.html", text=NOTHING))
    for kind, name, noun, text in _LISTS:
        if all(isinstance(record, kind) for record in records):
            shown, left = records[:ROWS_SHOWN], len(records) - ROWS_SHOWN
            more = f"\nand {count(left, noun)} more" if left > 0 else ""
            return Display(text(shown) + more, render(f"{name}.html", **{name: shown}, left=left))
    fix = "Pass some pages, some segments or some knowledge entries."
    raise InvalidInput("thing", "is a list of other things, or a mixture", fix)


_LISTS: tuple[tuple[type, str, str, Callable[[Any], str]], ...] = (
    (DialoguePage, "pages", "page", plain_text.pages_text),
    (Segment, "segments", "segment", plain_text.segments_text),
    (KnowledgeEntry, "entries", "fact", plain_text.entries_text),
)
"""Kind of record, name of its template and of what that shows, noun to count them by, and what writes them."""
SHOWN_BY_THEMSELVES = (
    UserMemory,
    RetrievedMemory,
    DialoguePage,
    Segment,
    KnowledgeEntry,
    UserProfile,
    MemoryStatus,
)
"""What shows itself at a cell's end while the extension is loaded."""


def register_displays(shell: Any) -> None:
    """Have the engine's objects show themselves in this shell."""
    formatter = shell.display_formatter.mimebundle_formatter
    for kind in SHOWN_BY_THEMSELVES:
        formatter.for_type(kind, _bundle)


def unregister_displays(shell: Any) -> None:
    """Undo `register_displays`."""
    formatter = shell.display_formatter.mimebundle_formatter
    for kind in SHOWN_BY_THEMSELVES:
        formatter.pop(kind, None)


def _bundle(thing: Any, include: object = None, exclude: object = None) -> Mapping[str, str]:
    with in_one_line():  # IPython shows it, and the object's repr in place of the display
        return show(thing)._repr_mimebundle_(include, exclude)
