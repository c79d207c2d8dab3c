"""Names of arguments: a wrong one is refused with the right one beside it, never ignored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import ValidationError

from memoryos_engine import InvalidInput


@dataclass(frozen=True, kw_only=True, slots=True)
class ArgumentNames:
    """What the users of a class write instead of its arguments' names.

    Args:
        owner: the class they belong to.
        elsewhere: names that others have for ours, with ours or what to pass.
        advice: names that have no place in some of its calls, with what to do instead.
    """

    owner: str
    elsewhere: Mapping[str, str]
    advice: Mapping[str, str]

    def require_known(self, given: Collection[str], known: Collection[str]) -> None:
        """Check that each name is known.

        Raises:
            InvalidInput: one is not; it names the nearest that is.
        """
        for name in given:
            if name not in known:
                raise InvalidInput(name, f"is no argument of {self.owner}", self._instead(name, known))

    def _instead(self, name: str, known: Collection[str]) -> str:
        if name in self.advice:
            return self.advice[name]
        ours = [self.elsewhere[name]] if name in self.elsewhere else get_close_matches(name, known, n=1)
        return f"Pass {ours[0]}." if ours else f"There are {', '.join(sorted(known))}."


def refusal(error: ValidationError) -> InvalidInput:
    """Return what pydantic found wrong with an argument, without the value it quotes."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(map(str, first["loc"])) or "options"
    return InvalidInput(name, f"is not accepted: {first['msg']}", "Pass what the documentation of the class lists.")
