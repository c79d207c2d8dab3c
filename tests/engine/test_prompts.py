"""The texts a chat model is given: replaceable, and refused at construction when they could not work."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from memoryos_engine import InvalidInput
from memoryos_engine.analysis.prompts import consolidation, promotion
from memoryos_engine.prompts import ANSWER, LONGEST_PROMPT, OPTIONAL, PLACEHOLDERS, Prompts, filled

FULL = {"memory": "M", "today": "T", "relationship": "R", "style": "S", "metadata": "D"}
NOT_GIVEN = {**FULL, **dict.fromkeys(OPTIONAL, "")}


def test_the_defaults_are_the_texts_of_the_tasks_and_pass_their_own_check():
    """A check that refuses our own texts would refuse good ones of others."""
    assert Prompts() == Prompts(consolidation=consolidation.INSTRUCTION, promotion=promotion.INSTRUCTION, answer=ANSWER)


def test_prompts_are_fixed_once_they_are_checked():
    """Style: frozen and keyword-only; a checked text cannot be exchanged for an unchecked one."""
    prompts = Prompts(answer="Use $memory")
    with pytest.raises(FrozenInstanceError):
        prompts.answer = ""  # type: ignore[misc]
    with pytest.raises(TypeError):
        Prompts("Use $memory")  # type: ignore[misc]


UNUSABLE = [
    ("prompts.answer", {"answer": None}, "is a NoneType, not text. Pass a str."),
    ("prompts.answer", {"answer": b"$memory"}, "is a bytes, not text. Pass a str."),
    ("prompts.answer", {"answer": ""}, "is empty. Leave it out for the default, or say what the model is to do."),
    ("prompts.answer", {"answer": " \n"}, "is empty. Leave it out for the default, or say what the model is to do."),
    ("prompts.answer", {"answer": "$memory \ud83d"}, "contains a lone surrogate"),
    ("prompts.answer", {"answer": "$memory" + "x" * 8000}, "is 8,007 characters long. Pass at most 8,000 characters."),
    (
        "prompts.answer",
        {"answer": "Be kind."},
        "has no $memory. Put $memory once where the remembered context belongs.",
    ),
    ("prompts.answer", {"answer": "$$memory"}, "has no $memory."),
    ("prompts.answer", {"answer": "{memory}"}, "has no $memory."),
    ("prompts.answer", {"answer": "$memory\n${memory}"}, "has $memory 2 times. Put $memory once"),
    ("prompts.answer", {"answer": "$memory $memory $memory"}, "has $memory 3 times."),
    (
        "prompts.answer",
        {"answer": "$memory\n$memries"},
        "has an unknown placeholder $memries in line 2. Write $memory;",
    ),
    ("prompts.answer", {"answer": "$Memory"}, "has an unknown placeholder $Memory in line 1. Write $memory;"),
    (
        "prompts.answer",
        {"answer": "$memory\n$relation"},
        "unknown placeholder $relation in line 2. Write $relationship;",
    ),
    (
        "prompts.answer",
        {"answer": "${style_hint}\n$memory"},
        "unknown placeholder $style_hint in line 1. Write $style;",
    ),
    ("prompts.answer", {"answer": "$" + "x" * 99}, f"has an unknown placeholder ${'x' * 40} in line 1."),
    ("prompts.answer", {"answer": "$memory\n\n$query"}, "unknown placeholder $query in line 3. Write $"),
    ("prompts.answer", {"answer": "It costs 5$\n$memory"}, "has a stray $ in line 1. Write $$ for a dollar."),
    ("prompts.answer", {"answer": "$memory\n$5"}, "has a stray $ in line 2. Write $$ for a dollar."),
    ("prompts.answer", {"answer": "${memory"}, "has a stray $ in line 1. Write $$ for a dollar."),
    ("prompts.answer", {"answer": "$$$ $memory"}, "has a stray $ in line 1. Write $$ for a dollar."),
    ("prompts.answer", {"answer": "In style $style: $memory"}, "beside a placeholder whose line may be left out. Put"),
    ("prompts.consolidation", {"consolidation": 5}, "is a int, not text. Pass a str."),
    ("prompts.consolidation", {"consolidation": "\t"}, "is empty."),
    ("prompts.consolidation", {"consolidation": "\ud83d"}, "contains a lone surrogate"),
    ("prompts.consolidation", {"consolidation": "x" * 8001}, "is 8,001 characters long."),
    ("prompts.promotion", {"promotion": ["x"]}, "is a list, not text. Pass a str."),
    ("prompts.promotion", {"promotion": ""}, "is empty."),
    ("prompts.promotion", {"promotion": "x" * 8001}, "is 8,001 characters long."),
]


@pytest.mark.parametrize(("parameter", "given", "message"), UNUSABLE, ids=lambda one: repr(one)[:60])
def test_a_text_that_could_not_work_is_refused_with_its_name_and_the_fix(parameter, given, message):
    """Our decision: what would fail at the hundredth question fails at construction."""
    with pytest.raises(InvalidInput) as caught:
        Prompts(**given)
    assert caught.value.parameter == parameter
    assert str(caught.value).startswith(parameter)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("task", "needed"),
    [("consolidation", consolidation.MUST_MENTION), ("promotion", promotion.MUST_MENTION)],
    ids=["consolidation", "promotion"],
)
def test_an_instruction_that_does_not_ask_for_a_field_of_the_reply_is_refused(task, needed):
    """A model that was never told of a field leaves it out, and every reply would be unusable."""
    first, *others = needed
    with pytest.raises(InvalidInput) as nothing:
        Prompts(**{task: "Write JSON."})
    with pytest.raises(InvalidInput) as one:
        Prompts(**{task: f"Write {', '.join(others)} and no{first}."})
    fix = f"Ask for these fields of the reply, as the default of prompts.{task} does."
    assert str(nothing.value) == f"prompts.{task} never mentions {', '.join(needed)}. {fix}"
    assert str(one.value) == f"prompts.{task} never mentions {first}. {fix}"
    assert getattr(Prompts(**{task: f"Write {', '.join(needed)}."}), task) == f"Write {', '.join(needed)}."


@pytest.mark.parametrize(
    "answer",
    [
        "$memory",
        "${memory}",
        "پاسخ بده: $memory.",
        "It is $today: $memory",
        "$relationship $style $metadata\n$memory\n$style again",
        "Costs $$5.\r\n$memory",
        "$memory " + "x" * (LONGEST_PROMPT - len("$memory ")),
    ],
    ids=lambda one: repr(one)[:40],
)
def test_a_template_with_memory_once_is_taken_as_it_is(answer):
    """Any language, any order."""
    assert Prompts(answer=answer).answer == answer


@pytest.mark.parametrize(
    ("template", "values", "text"),
    [
        ("$today\n$memory", FULL, "T\nM"),
        ("a\n$relationship\n$style\n$metadata\n\n$memory", FULL, "a\nR\nS\nD\n\nM"),
        ("a\nYou are $relationship.\nIn ${style}!\n$metadata\n\n$memory", NOT_GIVEN, "a\n\nM"),
        ("$relationship or $style\n$memory", {**FULL, "style": ""}, "M"),
        ("Costs $$5, $$memory.\n$memory", FULL, "Costs $5, $memory.\nM"),
        ("$relationship\n$memory", {**FULL, "relationship": "$memory $$ $x"}, "$memory $$ $x\nM"),
        ("$style\n$memory", {**FULL, "memory": "User: $style ${today} $"}, "S\nUser: $style ${today} $"),
    ],
)
def test_a_template_is_filled_once_and_leaves_out_lines_of_what_was_not_given(template, values, text):
    """What stands in a value is never looked at again."""
    assert filled(Prompts(answer=template).answer, values) == text


def test_the_default_answer_uses_every_placeholder():
    """An argument that the default ignores would be accepted without an effect."""
    assert all(f"${name}" in Prompts().answer for name in PLACEHOLDERS)
    assert [field.name for field in fields(Prompts)] == ["consolidation", "promotion", "answer"]
