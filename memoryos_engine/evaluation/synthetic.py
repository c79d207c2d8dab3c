"""Conversations made up from a seed, for measuring speed: words as often as in real talk.

A vocabulary of made-up words used by Zipf's law, sessions with topics of their own, about
40 words a page. The same seed gives the same pages on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import Any

VOCABULARY = 4000
TOPICS = 60
TOPIC_WORDS = 40
PAGES_PER_SESSION = 15
SHORTEST_SIDE, LONGEST_SIDE = 12, 28
"""Words of one side of a page."""
TOPIC_SHARE = 0.35
"""How many of a page's words belong to its session's topic."""

_SYLLABLES = [
    onset + vowel for onset in ("b", "d", "f", "k", "l", "m", "n", "p", "r", "s", "t", "v") for vowel in "aeiou"
]
_START = datetime(2024, 1, 1, 9, tzinfo=timezone.utc)


class SyntheticTalk:
    """A source of pages and queries.

    Args:
        seed: equal seeds talk alike; the vocabulary is the same for all.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - made-up talk, not a secret
        self._words = _vocabulary()
        self._weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))

    def turns(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield `count` turns for `import_turns`, in sessions a day apart."""
        for place in range(count):
            session, minute = divmod(place, PAGES_PER_SESSION)
            topic = self._topic(session)
            yield {
                "session_id": f"session {session}",
                "timestamp": _START + timedelta(days=session % 700, minutes=minute),
                "user_input": self._said(topic),
                "agent_response": self._said(topic),
            }

    def query(self) -> str:
        """Return a question of six words, common and rare ones."""
        return " ".join([*self._common(3), *self._random.choices(self._words, k=3)]) + "?"

    def _said(self, topic: list[str]) -> str:
        length = self._random.randint(SHORTEST_SIDE, LONGEST_SIDE)
        on_topic = round(length * TOPIC_SHARE)
        words = self._common(length - on_topic) + self._random.choices(topic, k=on_topic)
        self._random.shuffle(words)
        return " ".join(words).capitalize() + "."

    def _common(self, count: int) -> list[str]:
        return self._random.choices(self._words, cum_weights=self._weights, k=count)

    def _topic(self, session: int) -> list[str]:
        start = len(self._words) - (session * 7 % TOPICS + 1) * TOPIC_WORDS
        return self._words[start : start + TOPIC_WORDS]


def _vocabulary() -> list[str]:
    """Return the words, most frequent first; the frequent are short, as everywhere."""
    source = random.Random(0)  # noqa: S311 - see above
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        words["".join(source.choices(_SYLLABLES, k=1 + min(3, len(words) // 50 + source.randint(0, 1))))] = None
    return list(words)
