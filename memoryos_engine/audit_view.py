"""The audit log as a table, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from memoryos_engine.audit import AuditEvent
from memoryos_engine.terminal import stored, table
from memoryos_engine.tier_view import KNOWLEDGE_TITLES

COLUMNS = ("when", "change", "of", "entry", "pages")


def audit_table(events: Iterable[AuditEvent]) -> Table:
    """Return a row for each event: when (UTC), what, the kind and name of the entry, its id, the pages behind it."""
    made = table("", COLUMNS, left=COLUMNS)
    for event in events:
        of = KNOWLEDGE_TITLES[event.kind] + (f": {event.attribute}" if event.attribute else "")
        made.add_row(
            f"{event.at:%Y-%m-%d %H:%M:%S}",
            event.change.value.replace("_", " "),
            stored(of),
            stored(event.entry_id),
            Text("\n").join(stored(page_id) for page_id in event.page_ids),
        )
    return made
