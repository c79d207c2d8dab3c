"""A child of the kills soak: adds, forgets and asks as fast as it can until it is killed."""

from __future__ import annotations

import random
from typing import Any

from memoryos_engine.evaluation.soak.children import Tell
from memoryos_engine.evaluation.soak.ledger import SUBJECTS, spoken
from memoryos_engine.evaluation.stand_in import stand_in
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

ADDED, FORGETTING, FORGOT = "added", "forgetting", "forgot"
MOST_PAGES = 100_000
LATENCY = 0.005
"""Seconds that the model takes, so that plans are in flight."""
BUSY: dict[str, Any] = {
    "consolidation_delay": 0.0,
    "model_delay": 0.0,
    "short_term_capacity": 2,
    "mid_term_capacity": 5,
    "similarity_threshold": 0.2,
    "heat_threshold": 2.5,
    "knowledge_capacity": 20,
}
"""Every page is consolidated at once; segments are promoted and archived all the time."""


def live(tell: Tell, *, path: str, users: list[str], first: int, seed: int, model: bool) -> None:
    """Add pages from number `first` on, in turns for each user; tell what is to be forgotten and what was done."""
    chance = random.Random(seed)  # noqa: S311 - made-up work, not a secret
    system = MemoryOS(path, llm=stand_in(latency=LATENCY) if model else None, settings=MemorySettings(**BUSY))
    added: list[tuple[str, str]] = []
    for number in range(first, first + MOST_PAGES):
        user = users[number % len(users)]
        memory = system.memory(user)
        page = memory.add_memory(*spoken(number))
        tell(ADDED, user, page.id, number)
        added.append((user, page.id))
        if number % 5 == 0:
            memory.retrieve_memory(SUBJECTS[number % len(SUBJECTS)])
        if chance.random() < 0.1:
            owner, page_id = added.pop(chance.randrange(len(added)))
            tell(FORGETTING, owner, page_id)
            system.memory(owner).forget(page_id)
            tell(FORGOT, owner, page_id)
