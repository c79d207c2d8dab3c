"""A child of the server soak: adds its turns to users that others add to as well, through whatever server there is."""

from __future__ import annotations

import random

from memoryos_engine.errors import StoreError
from memoryos_engine.evaluation.soak.children import Tell
from memoryos_engine.evaluation.soak.kill_life import ADDED, BUSY
from memoryos_engine.evaluation.soak.ledger import SUBJECTS, spoken
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

REFUSED = "refused"


def live(tell: Tell, *, path: str, users: list[str], first: int, turns: int, seed: int) -> None:
    """Add pages `first` to `first + turns - 1` to users at random; tell what was acknowledged and what was not."""
    chance = random.Random(seed)  # noqa: S311 - made-up work, not a secret
    settings = MemorySettings(**BUSY, store_patience=120.0)
    with MemoryOS(path, settings=settings) as system:
        for number in range(first, first + turns):
            user = chance.choice(users)
            memory = system.memory(user, session_id=f"session {chance.randrange(3)}")
            try:
                page = memory.add_memory(*spoken(number))
                if number % 5 == 0:
                    memory.retrieve_memory(SUBJECTS[number % len(SUBJECTS)])
            except StoreError as error:
                tell(REFUSED, number, str(error))
            else:
                tell(ADDED, user, page.id, number)
