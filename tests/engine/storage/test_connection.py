"""A server that is away is asked again, and nothing is done twice that must be done once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from chromadb.errors import InternalError

from memoryos_engine.errors import EmbedderMismatch, StoreError
from memoryos_engine.storage import connection as connection_module
from memoryos_engine.storage.connection import Connection, ServerAway, is_away


class Flaky:
    """Fails as often as it is told, in the way it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def upsert(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


AWAY = httpx.ConnectError("refused")


def connected(collection: Any, *, patience: float = 60.0, found: list[Any] | None = None) -> Connection:
    later = iter(found or [])
    return Connection(collection, found_again=lambda: next(later, collection), patience=patience)


def test_a_call_is_made_again_until_the_server_is_back():
    """It was restarted; the caller waits and knows nothing of it."""
    flaky = Flaky(AWAY, httpx.ReadError("reset"), ServerAway("not yet"))

    assert (connected(flaky).ask(lambda each: each.upsert()), flaky.calls) == ("done", 4)


def test_the_collection_is_looked_up_anew_before_each_repetition():
    """The server may listen elsewhere by now."""
    before, after = Flaky(AWAY), Flaky()
    connection = connected(before, found=[after])

    assert connection.ask(lambda each: each.upsert()) == "done"
    assert (before.calls, after.calls, connection.collection) == (1, 1, after)


def test_what_was_done_and_only_not_heard_of_is_not_done_again():
    """Somebody else may have written since; writing it again would put back what they changed."""
    flaky = Flaky(httpx.ReadError("the reply is lost"))

    assert connected(flaky).ask(lambda each: each.upsert(), done=lambda: True) is None
    assert flaky.calls == 1


def test_what_was_not_done_is_done():
    """The other half of the same question."""
    flaky = Flaky(AWAY)

    assert (connected(flaky).ask(lambda each: each.upsert(), done=lambda: False), flaky.calls) == ("done", 2)


def test_patience_ends_with_an_error_that_names_the_setting():
    """Not with the foreign error, and not never."""
    with pytest.raises(StoreError, match=r"for 0 seconds \(ConnectError\).*store_patience"):
        connected(Flaky(AWAY, AWAY), patience=0.0).ask(lambda each: each.upsert())


@pytest.mark.parametrize("failure", [ValueError("bad"), EmbedderMismatch("another"), KeyError("x")])
def test_what_is_no_absence_is_raised_at_once(failure: Exception):
    """Asking again would change nothing."""
    flaky = Flaky(failure)
    with pytest.raises(type(failure)):
        connected(flaky).ask(lambda each: each.upsert())

    assert flaky.calls == 1


FLEETING = "Error executing plan: Internal error: Error finding id"


def test_a_read_that_met_a_deletion_is_made_again_in_an_embedded_store_too():
    """A thread that reads while another deletes found an error where it had to find the rest, once in a hundred."""
    flaky = Flaky(InternalError(FLEETING), InternalError(FLEETING))

    assert (Connection(flaky).ask(lambda each: each.upsert()), flaky.calls) == ("done", 3)


def test_what_does_not_pass_in_an_embedded_store_is_raised_as_it_is(monkeypatch):
    """An index that has lost a row says the same for ever."""
    monkeypatch.setattr(connection_module, "MOMENT", 0.0)
    flaky = Flaky(*[InternalError(FLEETING)] * 50)

    with pytest.raises(InternalError, match="Error finding id"):
        Connection(flaky).ask(lambda each: each.upsert())


def test_an_embedded_store_is_asked_once():
    """Nothing can be away."""
    flaky = Flaky(AWAY)
    with pytest.raises(httpx.ConnectError):
        Connection(flaky).ask(lambda each: each.upsert())

    assert flaky.calls == 1


@pytest.mark.parametrize(("status", "away"), [(503, True), (502, True), (429, True), (500, False), (401, False)])
def test_answers_of_a_proxy_are_told_by_their_status(status: int, away: bool):
    """Chroma's client makes a bare Exception of what is not its server's own answer."""
    request = httpx.Request("GET", "http://127.0.0.1/")
    response = httpx.Response(status, request=request)
    try:
        try:
            response.raise_for_status()
        except httpx.HTTPStatusError:
            raise Exception("<html>") from None  # noqa: TRY002 - as Chroma does
    except Exception as error:  # noqa: BLE001 - what Chroma raises
        assert is_away(error) is away


def test_an_absence_behind_a_store_error_is_one_too():
    """Opening the collection anew may find the server gone again."""
    error = StoreError("the collection cannot be opened")
    error.__cause__ = httpx.ConnectError("refused")

    assert (is_away(error), is_away(StoreError("broken"))) == (True, False)
