"""So many values and no more, the latest, for however many threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from memoryos_integrations.latest_values import LatestValues


def held(values: LatestValues[str, int], keys: str) -> dict[str, int]:
    return {key: value for key in keys if (value := values.get(key)) is not None}


def test_a_value_is_there_until_it_is_taken():
    values: LatestValues[str, int] = LatestValues(3)
    values.put("a", 1)

    assert (values.get("a"), values.get("a"), values.take("a"), values.get("a"), values.take("a")) == (
        1,
        1,
        1,
        None,
        None,
    )


def test_the_latest_value_under_a_key_is_the_one():
    values: LatestValues[str, int] = LatestValues(3)
    values.put("a", 1)
    values.put("a", 2)

    assert values.take("a") == 2
    assert values.get("a") is None


def test_those_put_in_longest_ago_fall_out():
    values: LatestValues[str, int] = LatestValues(2)
    for number, key in enumerate("abc"):
        values.put(key, number)

    assert held(values, "abc") == {"b": 1, "c": 2}


def test_what_is_put_in_again_stays_as_if_it_were_new():
    """Sessions that are talked in all the time outlive those that fell silent."""
    values: LatestValues[str, int] = LatestValues(2)
    for number, key in enumerate("abac"):
        values.put(key, number)

    assert held(values, "abc") == {"a": 2, "c": 3}


def test_what_is_looked_at_stays_as_if_it_were_new():
    values: LatestValues[str, int] = LatestValues(2)
    values.put("a", 1)
    values.put("b", 2)
    values.get("a")
    values.put("c", 3)

    assert held(values, "abc") == {"a": 1, "c": 3}


def test_what_was_taken_makes_room():
    values: LatestValues[str, int] = LatestValues(2)
    values.put("a", 1)
    values.put("b", 2)
    values.take("b")
    values.put("c", 3)

    assert held(values, "abc") == {"a": 1, "c": 3}


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers())), st.integers(1, 4))
def test_what_is_there_are_the_last_so_many_keys_with_their_last_values(puts, most):
    values: LatestValues[str, int] = LatestValues(most)
    for key, value in puts:
        values.put(key, value)
    last = list(dict.fromkeys(key for key, _ in reversed(puts)))[:most]

    assert held(values, "abcde") == {key: dict(puts)[key] for key in last}


def test_threads_that_put_and_take_at_once_find_each_value_once():
    values: LatestValues[int, int] = LatestValues(100)
    start = threading.Barrier(8)

    def work(_: int) -> list[int | None]:
        start.wait(timeout=30)
        for number in range(100):
            values.put(number, number)
        return [values.take(number) for number in range(100)]

    with ThreadPoolExecutor(8) as pool:
        taken = [each for found in pool.map(work, range(8)) for each in found if each is not None]

    assert set(taken) <= set(range(100))
    assert len(taken) >= 100
    assert [values.get(number) for number in range(100)] == [None] * 100
