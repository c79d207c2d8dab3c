"""What was acknowledged, kept beside the store, and the audit that compares the two.

Every page that a soak adds has a token, a word that it alone says. So a page that is lost,
doubled or came back is told by its words, whatever became of its id.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from memoryos_engine.memory import UserMemory
from memoryos_engine.system import MemoryOS

SUBJECTS = ("sourdough bread", "my cat Mina", "the marathon", "my violin", "old stamps", "a kayak", "the tax office")
TOKEN = re.compile(r"zq[0-9]+q")


def token(number: int) -> str:
    """Return the word that only page `number` says."""
    return f"zq{number}q"


def spoken(number: int) -> tuple[str, str]:
    """Return both sides of page `number`: facts, several scripts, a NUL."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    return (
        f"Text {token(number)}: I love {subject} and I live in town {number}.",
        f"Answer {token(number)}: {subject} is fine \u0645\u0646 \x00 \U0001f600",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """How a store differs from its ledger; all 0 if it does not."""

    lost: int = 0
    """Acknowledged pages that are not there, verbatim, in one place."""
    doubled: int = 0
    """Pages or texts that are there more than once."""
    came_back: int = 0
    """Forgotten pages of which a word is left."""
    findings: int = 0
    """What `check` finds."""

    def __add__(self, other: Audit) -> Audit:
        return Audit(
            lost=self.lost + other.lost,
            doubled=self.doubled + other.doubled,
            came_back=self.came_back + other.came_back,
            findings=self.findings + other.findings,
        )


@dataclass(slots=True)
class Ledger:
    """What a store must hold: for each user the acknowledged pages by id, and the tokens of forgotten ones."""

    pages: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    forgotten: dict[str, set[str]] = field(default_factory=dict)
    _doubtful: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """For each user the tokens of the pages, by id, that may be there or not."""

    @property
    def acknowledged(self) -> int:
        """How many pages must be there."""
        return sum(map(len, self.pages.values()))

    def added(self, user: str, page_id: str, said: tuple[str, str]) -> None:
        """Note that adding a page returned."""
        self.pages.setdefault(user, {})[page_id] = said

    def forgetting(self, user: str, page_id: str) -> None:
        """Note that a page is about to be forgotten: from now on it may be there or not."""
        said = self.pages[user].pop(page_id)
        self._doubtful.setdefault(user, {})[page_id] = set(TOKEN.findall("\n".join(said)))

    def forgot(self, user: str, page_id: str) -> None:
        """Note that forgetting a page returned."""
        self.forgotten.setdefault(user, set()).update(self._doubtful[user].pop(page_id))

    def purging(self, user: str) -> None:
        """Note that everything of a user is about to go."""
        for page_id in list(self.pages.get(user, {})):
            self.forgetting(user, page_id)

    def purged(self, user: str) -> None:
        """Note that everything of a user is gone."""
        for page_id in list(self._doubtful.get(user, {})):
            self.forgot(user, page_id)

    def audit(self, system: MemoryOS) -> Audit:
        """Compare what the store holds with what was acknowledged."""
        users = sorted({*self.pages, *self.forgotten, *self._doubtful})
        total = Audit(findings=len(system.check()))
        for user in users:
            total += self._audit(user, system.memory(user))
        return total

    def _audit(self, user: str, memory: UserMemory) -> Audit:
        there = [page for pages in memory.tiers().values() for page in pages]
        ids, texts = Counter(page.id for page in there), Counter(page.text for page in there)
        found = {page.id: (page.user_input, page.agent_response) for page in there}
        lost = sum(found.get(page_id) != said for page_id, said in self.pages.get(user, {}).items())
        doubled = sum(count - 1 for count in (*ids.values(), *texts.values()))
        left = set(TOKEN.findall("\n".join(words_of(memory))))
        return Audit(lost=lost, doubled=doubled, came_back=len(left & self.forgotten.get(user, set())))


def words_of(memory: UserMemory) -> Iterable[str]:
    """Yield every text a memory holds: pages, what was derived from them, segments and knowledge, history too."""
    for page in memory.pages():
        yield from (page.user_input, page.agent_response, page.meta_chain, *page.keywords)
    for segment in memory.segments():
        yield from (segment.summary, *segment.keywords)
    for entry in memory.knowledge(history=True):
        yield entry.text
