"""HTML from the templates of this package: the only place that makes any. Whatever they are given is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from memoryos_engine.records import KnowledgeKind
from memoryos_engine.terminal import REASONS, SMALLEST_REASON, reason
from memoryos_engine.tier_view import count, interval
from memoryos_integrations.jupyter.visible_text import one_line, whole

VALUES_SHOWN = 20
"""Values of a page's metadata."""


def render(template: str, **values: Any) -> str:
    """Return a template filled in, with our style sheet in front, so that it stands by itself in a cell's output."""
    return f"<style>{style()}</style>\n{fragment(template, **values)}"


def fragment(template: str, **values: Any) -> str:
    """Return a template filled in, for a page that has the style sheet already."""
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("memoryos_integrations.jupyter"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": count,
        "day": _day,
        "first_items": _first_items,
        "interval": interval,
        "moment": _moment,
        "one_line": one_line,
        "reason": reason,
        "share": _share,
        "whole": whole,
    }
    made.globals |= {"REASONS": REASONS, "SMALLEST_REASON": SMALLEST_REASON, "PROFILE": KnowledgeKind.USER_PROFILE}
    return made


@cache
def style() -> str:
    """Return our style sheet."""
    source, _, _ = _templates().loader.get_source(_templates(), "style.css")  # type: ignore[union-attr]
    return source


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _first_items(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the first values of a mapping; what there is beyond is counted."""
    return list(islice(values.items(), VALUES_SHOWN))


def _share(part: float, whole: float) -> str:
    """Return a width for CSS: the share of `part` in `whole`, 0 to 100 percent."""
    return f"{100 * min(1.0, max(0.0, part / whole)):.1f}%" if whole > 0 else "0%"
