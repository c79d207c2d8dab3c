"""Questions end with a question mark, and IPython takes a line that does for a call for help.

`%recall Where do I work?` would show the documentation of `work`. So what stands behind `%recall` is read before
IPython looks for help; `%recall?` asks for it still.
"""

from __future__ import annotations

from collections.abc import Sequence
from tokenize import DEDENT, INDENT, TokenInfo
from typing import Any

from IPython.core.inputtransformer2 import EscapedCommand, HelpEnd, MagicAssign, TokenTransformBase
from IPython.core.interactiveshell import InteractiveShell

_READINGS: tuple[Any, ...] = (EscapedCommand, MagicAssign)
"""How IPython reads `%magic ...` and `name = %magic ...`; without types."""


class RecallQuestion(TokenTransformBase):
    """A line such as `%recall What?` or `found = %recall What?`, given to IPython's own reading of it.

    Args:
        start: where the line begins, for the order in which IPython reads a cell.
        reading: what IPython would do with the line if it ended otherwise.
    """

    priority = HelpEnd.priority - 1

    def __init__(self, start: tuple[int, int], reading: TokenTransformBase) -> None:
        super().__init__(start)  # type: ignore[no-untyped-call]
        self._reading = reading

    @classmethod
    def find(cls, tokens_by_line: Sequence[Sequence[TokenInfo]]) -> RecallQuestion | None:
        """Return the first question of a cell."""
        for line in tokens_by_line:
            reading = next(filter(None, (kind.find([line]) for kind in _READINGS)), None)
            if reading is not None and _is_question(line, (reading.start_line + 1, reading.start_col)):
                start = next(token.start for token in line if token.type not in (INDENT, DEDENT))
                return cls(start, reading)
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """Return the cell with the question in Python."""
        transformed: list[str] = self._reading.transform(lines)
        return transformed


def take_questions_verbatim(shell: InteractiveShell) -> None:
    """Have the shell read questions before it looks for help."""
    transformers = shell.input_transformer_manager.token_transformers
    if RecallQuestion not in transformers:
        transformers.append(RecallQuestion)


def leave_questions(shell: InteractiveShell) -> None:
    """Undo it."""
    transformers = shell.input_transformer_manager.token_transformers
    if RecallQuestion in transformers:
        transformers.remove(RecallQuestion)


def _is_question(line: Sequence[TokenInfo], percent: tuple[int, int]) -> bool:
    place = next(place for place, token in enumerate(line) if token.start == percent and token.string)
    said = [token.string for token in line[place : place + 3]]
    return said[:2] == ["%", "recall"] and said[2:] != ["?"]
