"""How many tokens replies take, and a budget that they fill."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent
from typing import TypeVar

from pydantic import BaseModel

from memoryos_engine.tokens import default_counter

Reply = TypeVar("Reply", bound=BaseModel)


class Room:
    """A budget of tokens that replies fill."""

    def __init__(self, tokens: int) -> None:
        self.left = tokens

    def fill(self, replies: Iterable[Reply]) -> list[Reply]:
        """Return those of the replies, in order, that there is room for."""
        return [reply for reply in replies if self.takes(reply)]

    def takes(self, reply: BaseModel) -> bool:
        """Say whether there is room for a reply, and give it away if there is."""
        taken = cost(reply)
        if taken > self.left:
            return False
        self.left -= taken
        return True


def cost(reply: BaseModel) -> int:
    """Return the tokens of a reply as it stands within another."""
    return default_counter()(indent(reply.model_dump_json(indent=2), "    ")) + 1
