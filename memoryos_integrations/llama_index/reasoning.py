"""What a ReAct agent answered, apart from how it came to it.

LlamaIndex's ReActAgent hands its memory one message in which thoughts, actions, observations and the answer
follow each other, each on a line that begins with its name.
"""

from __future__ import annotations

_THOUGHT, _OBSERVED, _ANSWER = "Thought: ", "\nObservation: ", "\nAnswer: "


def answer_and_reasoning(text: str) -> tuple[str, str]:
    """Return the answer in a ReAct agent's message, and all that stands before it; any other text is all answer.

    What a tool returned may read like a thought and an answer itself; so may the answer. An answer before
    anything was observed is the agent's. After that it is the one of the last thought that an answer follows,
    or of a thought that repeats what a tool returned, as does the answer of tools that answer themselves.
    """
    if not text.startswith(_THOUGHT):
        return text, ""
    answer = _answer_place(text)
    return (text, "") if answer < 0 else (text[answer + len(_ANSWER) :], text[:answer])


def _answer_place(text: str) -> int:
    """Return where the line before the answer ends; -1 if there is no answer."""
    first, observed = text.find(_ANSWER), text.find(_OBSERVED)
    if first < 0 or observed < 0 or first < observed:
        return first
    starts = _thoughts_from_last(text)
    repeated = next((place for start in starts if (place := _repeated_place(text, start)) >= 0), -1)
    if repeated >= 0:
        return repeated
    return next(place for start in starts if (place := text.find(_ANSWER, start)) >= 0)


def _thoughts_from_last(text: str) -> list[int]:
    """Return where each thought begins, the last first; one begins the text."""
    found: list[int] = []
    place = text.rfind("\n" + _THOUGHT)
    while place >= 0:
        found.append(place + 1 + len(_THOUGHT))
        place = text.rfind("\n" + _THOUGHT, 0, place)
    return [*found, len(_THOUGHT)]


def _repeated_place(text: str, start: int) -> int:
    """Return where a thought ends, if the answer to the end of the text says the same and it was observed; else -1."""
    length, odd = divmod(len(text) - start - len(_ANSWER), 2)
    place = start + length
    if odd or not text.startswith(_ANSWER, place):
        return -1
    thought = text[start:place]
    observed = text.endswith(_OBSERVED + thought, 0, start - len("\n" + _THOUGHT))
    return place if observed and text.endswith(thought) else -1
