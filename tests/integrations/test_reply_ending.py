"""Why an answer ended: the words of providers, and what they mean."""

from __future__ import annotations

import pytest

from memoryos_integrations.reply_ending import is_withheld, reason_in

CUT = [
    {"finish_reason": "length"},
    {"stop_reason": "max_tokens"},
    {"finish_reason": "MAX_TOKENS"},
    {"finish_reason": "FinishReason.MAX_TOKENS"},
    {"done_reason": "length"},
    {"stopReason": "max_tokens"},
    {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
]
WITHHELD = [
    {"finish_reason": "content_filter"},
    {"stop_reason": "refusal"},
    {"finish_reason": "SAFETY"},
    {"stopReason": "guardrail_intervened"},
    {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
]
WHOLE = [
    ({"finish_reason": "stop"}, "stop"),
    ({"stop_reason": "end_turn"}, "end_turn"),
    ({"status": "completed", "incomplete_details": None}, "completed"),
    ({"status": "in_progress", "incomplete_details": "none"}, None),
    ({"finish_reason": ""}, None),
    ({"finish_reason": 7}, None),
    ({}, None),
]


@pytest.mark.parametrize("metadata", CUT, ids=str)
def test_an_answer_that_was_cut_ended_for_its_length(metadata):
    assert (reason_in(metadata), is_withheld(reason_in(metadata))) == ("length", False)


@pytest.mark.parametrize("metadata", WITHHELD, ids=str)
def test_an_answer_that_was_withheld_is_told_from_others(metadata):
    assert is_withheld(reason_in(metadata))


@pytest.mark.parametrize(("metadata", "reason"), WHOLE, ids=str)
def test_any_other_reason_is_that_of_a_whole_answer_or_of_none(metadata, reason):
    assert (reason_in(metadata), is_withheld(reason)) == (reason, False)
