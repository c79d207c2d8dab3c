"""What a check found and what a store holds, for the terminal and for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from memoryos_engine.checks.findings import Finding, FindingState, is_sound
from memoryos_engine.stats import StoreStats
from memoryos_engine.terminal import stored, table

STYLES = {FindingState.BROKEN: "red", FindingState.MENDED: "green", FindingState.SET_ASIDE: "dim"}


def show_findings(found: Sequence[Finding], *, screen: Console, as_json: bool = False) -> None:
    """Print what a check found, one line each, and what it comes to."""
    if as_json:
        rows = [
            {
                "user_id": finding.owner.user_id,
                "assistant_id": finding.owner.assistant_id,
                "record_id": finding.record_id,
                "problem": finding.problem,
                "repair": finding.repair,
                "state": finding.state.value,
            }
            for finding in found
        ]
        _show_json({"sound": is_sound(found), "findings": rows}, screen)
        return
    for finding in found:
        line = f"{finding.owner.user_id}: {finding.record_id} {finding.problem}{_what_becomes(finding)}"
        screen.print(stored(line, style=STYLES[finding.state]), soft_wrap=True)
    screen.print(_summary(found))


def show_stats(stats: StoreStats, *, screen: Console, as_json: bool = False) -> None:
    """Print the figures of a store."""
    if as_json:
        _show_json(stats.as_dict(), screen)
        return
    made = table("", ("what", "how much"), left=("what",))
    for what, figure in _lines(stats):
        made.add_row(what, stored(figure))
    screen.print(made)


def _what_becomes(finding: Finding) -> str:
    if finding.state is FindingState.BROKEN and finding.repair:
        return f" (--repair: {finding.repair})"
    return f" (done: {finding.repair})" if finding.state is FindingState.MENDED else ""


def _summary(found: Sequence[Finding]) -> str:
    counts = {state: len({f.record_id for f in found if f.state is state}) for state in FindingState}
    parts = [f"{counts[FindingState.BROKEN]:,} records break an invariant"] if counts[FindingState.BROKEN] else []
    parts += [f"{counts[FindingState.MENDED]:,} records were mended"] if counts[FindingState.MENDED] else []
    parts += ["The store is sound."] if is_sound(found) else []
    return ". ".join(part.rstrip(".") for part in parts) + ("." if is_sound(found) else "")


def _lines(stats: StoreStats) -> list[tuple[str, str]]:
    resident = f"{_megabytes(stats.resident_bytes)} of {_megabytes(stats.resident_budget)}"
    return [
        ("users", f"{stats.users:,}"),
        ("memories (user with assistant)", f"{stats.memories:,}"),
        ("pages", f"{stats.pages:,}"),
        ("  in short-term memory or pending", f"{stats.pages_outside:,}"),
        ("  in segments", f"{stats.pages_in_segments:,}"),
        ("  in the archive", f"{stats.pages_archived:,}"),
        ("segments", f"{stats.segments:,}"),
        ("archived segments", f"{stats.archived_segments:,}"),
        ("knowledge, current", f"{stats.knowledge_current:,}"),
        ("knowledge, history", f"{stats.knowledge_history:,}"),
        ("records set aside", f"{stats.set_aside:,}"),
        ("bytes on disk", "behind a client" if stats.disk_bytes is None else _megabytes(stats.disk_bytes)),
        ("memories loaded", f"{stats.resident_memories:,} ({resident})"),
        ("background jobs", f"{stats.jobs_due:,} due, {stats.jobs_running:,} running, {stats.jobs_failing:,} failing"),
        ("embedder", f"{stats.embedder} ({stats.dimension:,} dimensions)"),
        ("collection", f"{stats.collection} (schema {stats.schema})"),
    ]


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _show_json(value: object, screen: Console) -> None:
    """Print one JSON text; it is all ASCII, so that nothing stored moves a terminal."""
    screen.print(Text(json.dumps(value, indent=2)), soft_wrap=True)
