"""The stretches of time that a question names."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memoryos_engine.dates import date_spans

NOW = datetime(2024, 3, 1, 12, 30, tzinfo=timezone.utc)
FIRST = datetime(2023, 2, 1, tzinfo=timezone.utc)
MAY_2023 = [("2023-05-01", "2023-06-01")]
FOURTH_OF_MAY_2023 = [("2023-05-04", "2023-05-05")]
MAY = [*MAY_2023, ("2024-05-01", "2024-06-01")]
FOURTH_OF_MAY = [*FOURTH_OF_MAY_2023, ("2024-05-04", "2024-05-05")]
YESTERDAY = [("2024-02-29", "2024-03-01")]
LAST_WEEK = [("2024-02-16", "2024-03-01")]
ORDIBEHESHT_1402 = [("2023-04-21", "2023-05-22")]


def spans(text: str) -> list[tuple[str, str]]:
    found = date_spans(text, NOW.timestamp(), FIRST.timestamp())
    moments = [[datetime.fromtimestamp(edge, timezone.utc) for edge in span] for span in found]
    assert all(edge == edge.replace(hour=0, minute=0, second=0, microsecond=0) for span in moments for edge in span)
    return [(start.date().isoformat(), end.date().isoformat()) for start, end in moments]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What did we do in May 2023?", MAY_2023),
        ("in may 2023", MAY_2023),
        ("on 4 May 2023", FOURTH_OF_MAY_2023),
        ("on May 4, 2023", FOURTH_OF_MAY_2023),
        ("the 4th of May 2023", FOURTH_OF_MAY_2023),
        ("What happened on 4 May?", FOURTH_OF_MAY),
        ("on May 4th", FOURTH_OF_MAY),
        ("in May", MAY),
        ("in February", [("2023-02-01", "2023-03-01"), ("2024-02-01", "2024-03-01")]),
        ("between May and June 2023", [*MAY_2023, ("2023-06-01", "2023-07-01")]),
        ("2023-05-04", FOURTH_OF_MAY_2023),
        ("2023/05", MAY_2023),
        ("4.5.2023", FOURTH_OF_MAY_2023),
        ("in 2022", [("2022-01-01", "2023-01-01")]),
        ("in December 2023", [("2023-12-01", "2024-01-01")]),
        ("im Mai 2023", MAY_2023),
        ("am 4. Mai 2023", FOURTH_OF_MAY_2023),
        ("le 4 mai 2023", FOURTH_OF_MAY_2023),
        ("el 4 de mayo de 2023", FOURTH_OF_MAY_2023),
        ("4 мая 2023", FOURTH_OF_MAY_2023),
        ("4 Mayıs 2023", FOURTH_OF_MAY_2023),
        ("في مايو 2023", MAY_2023),
        ("४ मई २०२३", FOURTH_OF_MAY_2023),
        ("۴ مه ۲۰۲۳", FOURTH_OF_MAY_2023),
        ("در اردیبهشت ۱۴۰۲", ORDIBEHESHT_1402),
        ("در ارديبهشت 1402", ORDIBEHESHT_1402),
        ("۴ اردیبهشت ۱۴۰۲", [("2023-04-24", "2023-04-25")]),
        ("2023年5月4日", FOURTH_OF_MAY_2023),
        ("2023年5月に何をした？", MAY_2023),
        ("5月4日", FOURTH_OF_MAY),
        ("２０２３年５月４日", FOURTH_OF_MAY_2023),
        ("2023년 5월 4일", FOURTH_OF_MAY_2023),
    ],
)
def test_a_date_names_its_day_month_or_year(text, expected):
    """Design part 4: dates in the query matched to timestamps; a month without a year is that of every year kept."""
    assert spans(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What did I say today?", [("2024-03-01", "2024-03-02")]),
        ("yesterday", YESTERDAY),
        ("gestern", YESTERDAY),
        ("دیروز", YESTERDAY),
        ("昨天我做了什么", YESTERDAY),
        ("昨日は", YESTERDAY),
        ("어제", YESTERDAY),
        ("last week", LAST_WEEK),
        ("letzte Woche", LAST_WEEK),
        ("هفتهٔ گذشته", LAST_WEEK),
        ("هفته‌ی گذشته", LAST_WEEK),
        ("هفته قبل چه گفتم؟", LAST_WEEK),
        ("上周说了什么", LAST_WEEK),
        ("지난주", LAST_WEEK),
        ("3 days ago", [("2024-02-27", "2024-02-28")]),
        ("two weeks and 2 weeks ago", [("2024-02-16", "2024-02-17")]),
    ],
)
def test_a_relative_date_counts_from_the_day_of_asking(text, expected):
    """The engine's own choice of how far "last week" reaches: fourteen days, yesterday included."""
    assert spans(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "I may go sailing",
        "You may say so",
        "We march on and on",
        "Augustus was an august emperor, may I add",
        "What is my name?",
        "12 monkeys",
        "room 45 at 10:30",
        "version 2.0.1",
        "call 0920123456",
        "Tomorrow never knows",
        "todays special",
        "What does Julio like?",
        "Which song by Avril do I like?",
    ],
)
def test_what_is_no_date_names_no_time(text):
    """dates: names that are also ordinary words count only beside a number or after a cue."""
    assert spans(text) == []


@pytest.mark.parametrize("text", ["30 February", "2023-13-45", "99.99.2023", "13月40日", "February 31"])
def test_a_day_that_does_not_exist_names_no_day(text):
    """What is not understood names no time, and raises nothing."""
    days = [
        span
        for span in spans(text)
        if datetime.fromisoformat(span[1]) - datetime.fromisoformat(span[0]) <= timedelta(days=1)
    ]

    assert days == []


@given(st.text())
@example("0000年1月")
@example("99999999999999999999 weeks ago")
@example("31 December 2099")
@example("December 9999")
@example("اسفند ۱۴۹۹")
@example("۳۱ فروردین ۱۳۰۰")
@example("may 0 2023")
@example("²³ May ²⁰²³")
@example("٤ may ٢٠٢٣")
def test_any_text_names_spans_that_begin_before_they_end(text):
    """A question may hold anything."""
    for start, end in date_spans(text, NOW.timestamp(), FIRST.timestamp()):
        assert start < end


@pytest.mark.parametrize("first", ["0001-01-01", "1900-01-01", "2024-03-01", "2030-01-01"])
def test_any_age_of_the_oldest_page_is_fine(first):
    """Timestamps are the caller's, from year 1 on, and may lie ahead."""
    moment = datetime.fromisoformat(first).replace(tzinfo=timezone.utc)
    found = date_spans("in May", NOW.timestamp(), moment.timestamp())

    assert len(found) == max(0, 2024 - moment.year + 1)
