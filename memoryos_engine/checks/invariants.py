"""The table of invariants: what finds a breach, what mends it, and how that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from memoryos_engine.checks import knowing, placing, pointing, reading
from memoryos_engine.checks.draft import Draft, Embed


@dataclass(frozen=True, kw_only=True, slots=True)
class Invariant:
    """One thing that is so in every sound memory."""

    find: Callable[[Draft], Iterator[tuple[str, str]]]
    """Gives the id of each record that breaks it, and how."""
    mend: Callable[[Draft, Embed], None]
    """Changes the draft so that nothing breaks it any more."""
    repair: str
    """What mending does, for people."""


INVARIANTS = (
    Invariant(
        find=reading.unreadable,
        mend=reading.set_unreadable_aside,
        repair="set it aside with all it holds, so that the rest of the memory opens",
    ),
    Invariant(
        find=placing.doubled_sequences,
        mend=placing.renumber,
        repair="give the later page the next free place",
    ),
    Invariant(find=placing.stray_pages, mend=placing.make_pending, repair="have the page wait for a segment again"),
    Invariant(find=placing.empty_segments, mend=placing.delete_empty, repair="delete the segment"),
    Invariant(
        find=knowing.sourceless,
        mend=knowing.drop_sources,
        repair="leave the source out, and delete the entry if it has no other",
    ),
    Invariant(
        find=knowing.corrected_by_nobody, mend=knowing.drop_corrector, repair="leave the page out; it stays corrected"
    ),
    Invariant(find=knowing.rivals, mend=knowing.end_rivals, repair="have the older end when the newer began"),
    Invariant(find=knowing.ended_early, mend=knowing.end_later, repair="derive when it ends from what was said next"),
    Invariant(find=pointing.bad_vectors, mend=pointing.embed_again, repair="make its vector anew"),
    Invariant(find=reading.headless, mend=reading.write_head, repair="write the head"),
)
"""In the order in which they are mended: what one repair leaves, those after it find."""
