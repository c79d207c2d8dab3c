"""Dialogue chains: consecutive pages on one thought (paper §3.2, Eq. 1).

A page either goes on with the chain of the previous page of its session or starts a new
one; each page carries the summary of its chain up to itself. A chain is a label shared by
its pages, not a list of links, so deleting a page leaves nothing dangling.
"""

from __future__ import annotations

from dataclasses import replace

from memoryos_engine.analysis.base import PageNote
from memoryos_engine.records import DialoguePage, stable_id


def chained(page: DialoguePage, note: PageNote, previous: DialoguePage | None) -> DialoguePage:
    """Return `page` with its chain, meta chain and keywords as `note` has them."""
    goes_on = note.continues and previous is not None and previous.chain_id is not None
    chain = previous.chain_id if goes_on and previous else stable_id("chain", page.id)
    return replace(page, chain_id=chain, meta_chain=note.meta_chain, keywords=note.keywords)
