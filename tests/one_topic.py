"""A memory of canoes whose every page is consolidated and promoted at once, to see what a model makes of it."""

from __future__ import annotations

SENTENCE = "I answer from what I remember."
"""What the engine's stand-in for a model answers to a user."""
ONE_TOPIC = {"short_term_capacity": 1, "similarity_threshold": -1.0, "heat_threshold": 0.0, "model_delay": 0.0}
"""Every page is pending as soon as it was said, joins the one segment, and is promoted after it."""


def love(*numbers):
    return [f"I love my canoe number {number}." for number in numbers]


def say(memory, *numbers):
    for text in love(*numbers):
        memory.add_memory(text, "Fine.")


def turns(memory):
    return [(page.user_input, page.agent_response) for page in memory.pages()]


def outcome(memory):
    """What is consolidated, what its segments say, and what was learnt."""
    placed = [page.user_input for page in memory.pages() if page.segment_id]
    return placed, [segment.summary for segment in memory.segments()], [entry.text for entry in memory.knowledge()]
