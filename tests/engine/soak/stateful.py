"""Random histories against a plain model of the memory, thousands of them: `python -m tests.engine.soak.stateful`.

A few hundred sequences share one store, each with users of its own, so that a sequence costs
its operations and not the making of a store, nor the rows that others left in Chroma's index.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from memoryos_engine import KnowledgeKind, ManualClock, MemoryOS, MemorySettings, NotFound, UserMemory
from memoryos_engine.progress import bar

START = "2024-03-01T12:00:00+00:00"
SESSIONS = ("desk", "phone", "car")
USERS = (0, 1)
OF_ONE_STORE = 200
"""Sequences."""
SMALL = MemorySettings(
    consolidation_delay=3600.0, short_term_capacity=3, short_term_sessions=2, mid_term_capacity=3, heat_threshold=2.5,
    similarity_threshold=0.3, knowledge_capacity=5,
)  # fmt: skip
LINES = (
    "My name is Tom and I live in Oslo.",
    "I moved to Lima last spring.",
    "I love sourdough bread.",
    "I practise the violin every evening.",
    "Our cat needs antibiotics twice a day.",
    "And then?",
    "من در تهران زندگی می‌کنم.",
    "我喜欢喝茶。",
)
lines = st.one_of(st.sampled_from(LINES), st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=30))
users, sessions, places = st.sampled_from(USERS), st.sampled_from(SESSIONS), st.integers(0, 30)


@dataclass
class Said:
    """What the model knows of one page."""

    session: str
    user_input: str
    agent_response: str


@dataclass
class Person:
    """What the model knows of one user: pages in order of arrival, by id, and words that are gone."""

    pages: dict[str, Said] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def drop(self, ids: list[str]) -> None:
        self.gone.update(ids)
        for page_id in ids:
            del self.pages[page_id]


@dataclass
class Shared:
    """What all sequences of a run have in common."""

    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    numbers: Any = field(default_factory=count)
    sequences: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    system: MemoryOS | None = None
    store: Path | None = None
    """Where it lies now."""
    step: Callable[[int], object] = lambda _: None
    """Told of each sequence."""

    def begin(self) -> int:
        """Count one more sequence and return its number."""
        number, self.sequences = self.sequences, self.sequences + 1
        self.step(1)
        if number % OF_ONE_STORE == 0:
            self.close()
            if self.store is not None:
                rmtree(self.store, ignore_errors=True)
            self.store = self.folder / f"store {number}"
        return number

    def opened(self) -> MemoryOS:
        if self.system is None:
            self.system = MemoryOS(self.store, settings=SMALL, clock=self.clock)
        return self.system

    def close(self) -> None:
        if self.system is not None:
            self.system.close()
        self.system = None


class MemoryMachine(RuleBasedStateMachine):
    """Every rule does one thing to the engine and to the model; what both hold is compared after each."""

    shared: Shared

    def __init__(self) -> None:
        super().__init__()
        self.sequence = self.shared.begin()
        self.people = {user: Person() for user in USERS}

    # -- adding -----------------------------------------------------------------------

    @rule(user=users, session=sessions, line=lines, answered=st.booleans())
    def add(self, user: int, session: str, line: str, answered: bool) -> None:
        said = Said(session, f"{line} {self._token()}", f"Yes: {line}" if answered else "")
        page = self._memory(user, session).add_memory(said.user_input, said.agent_response)
        self.people[user].pages[page.id] = said

    @rule(user=users, session=sessions)
    def add_response(self, user: int, session: str) -> None:
        answer = f"It is so. {self._token()}"
        page = self._memory(user, session).add_response(answer)
        known = self.people[user].pages
        if page.id in known:
            assert known[page.id].agent_response == ""
            assert [key for key, said in known.items() if said.session == session][-1] == page.id
            known[page.id].agent_response = answer
        else:
            known[page.id] = Said(session, "", answer)

    @rule(user=users, session=sessions, said=st.lists(lines, max_size=5), years=st.integers(-9, 1))
    def import_turns(self, user: int, session: str, said: list[str], years: int) -> None:
        memory, texts = self._memory(user, session), [f"{line} {self._token()}" for line in said]
        when = self.shared.clock() + timedelta(days=365 * years)
        assert memory.import_turns({"user_input": text, "timestamp": when} for text in texts) == len(texts)
        added = memory.pages()[len(self.people[user].pages) :]
        assert [page.user_input for page in added] == texts
        self.people[user].pages |= {page.id: Said(session, page.user_input, "") for page in added}

    # -- finding ----------------------------------------------------------------------

    @rule(user=users, session=sessions, line=lines, touch=st.booleans())
    def retrieve(self, user: int, session: str, line: str, touch: bool) -> None:
        known = self.people[user].pages
        found = self._memory(user, session).retrieve_memory(line.strip() or "?", touch=touch)
        for page in (*found.pages, *found.short_term, *found.sources.values()):
            said = known[page.id]
            assert (page.session_id, page.user_input, page.agent_response) == (
                said.session,
                said.user_input,
                said.agent_response,
            )
        assert len({page.id for page in found.pages}) == len(found.pages)

    @precondition(lambda self: any(person.pages for person in self.people.values()))
    @rule(user=users, session=sessions, place=places)
    def find_by_its_words(self, user: int, session: str, place: int) -> None:
        page_id = self._some_page(user, place)
        if page_id is None:
            return
        said = self.people[user].pages[page_id]
        text = said.user_input or said.agent_response
        found = self._memory(user, session).retrieve_memory(text.split()[-1], touch=False)
        assert page_id in {page.id for page in (*found.pages, *found.short_term)}

    # -- changing ---------------------------------------------------------------------

    @rule(user=users, place=places)
    def forget_page(self, user: int, place: int) -> None:
        page_id = self._some_page(user, place)
        if page_id is not None:
            self._memory(user).forget(page_id)
            self.people[user].drop([page_id])

    @rule(user=users, place=places)
    def forget_entry(self, user: int, place: int) -> None:
        memory = self._memory(user)
        entries = memory.knowledge(history=True)
        if entries:
            chosen = entries[place % len(entries)].id
            memory.forget(chosen)
            assert chosen not in {entry.id for entry in memory.knowledge(history=True)}

    @rule(user=users, session=sessions)
    def forget_session(self, user: int, session: str) -> None:
        ids = [key for key, said in self.people[user].pages.items() if said.session == session]
        assert self._memory(user, session).forget_session() == len(ids)
        self.people[user].drop(ids)

    @rule(user=users, session=sessions, chosen=st.lists(places, max_size=4))
    def move_pages(self, user: int, session: str, chosen: list[int]) -> None:
        known = self.people[user].pages
        ids = list(dict.fromkeys(key for key in (self._some_page(user, place) for place in chosen) if key))
        moved = [key for key in ids if known[key].session != session]
        assert self._memory(user).move_pages(ids, session) == len(moved)
        for key in moved:
            known[key].session = session

    @rule(user=users, place=places)
    def correct(self, user: int, place: int) -> None:
        memory, known = self._memory(user), self.people[user].pages
        entries = [entry for entry in memory.knowledge() if entry.kind is not KnowledgeKind.USER_TRAIT]
        if not entries:
            return
        text = f"something else {self._token()}"
        entry = memory.correct(entries[place % len(entries)].id, text)
        assert entry.text == text
        assert entry.id in {each.id for each in memory.knowledge()}
        page = memory.pages()[-1]
        assert (page.user_input, page.id in known) == (text, False)
        known[page.id] = Said(page.session_id, text, "")

    @rule(user=users)
    def purge(self, user: int) -> None:
        self._memory(user).purge()
        self.people[user].drop(list(self.people[user].pages))

    @rule(user=users)
    def flush(self, user: int) -> None:
        memory = self._memory(user)
        memory.flush()
        assert (memory.status().pending, memory.status().failure) == (0, None)

    @rule(really=st.sampled_from((True, False, False, False)))
    def reopen(self, really: bool) -> None:
        """Not each time: an opening takes as long as ten other steps."""
        if really:
            self.shared.close()

    @rule(days=st.sampled_from((0.01, 1.0, 400.0, -400.0)))
    def move_the_clock(self, days: float) -> None:
        self.shared.clock.advance(days=days)

    # -- comparing --------------------------------------------------------------------

    @invariant()
    def engine_and_model_agree(self) -> None:
        self.shared.steps["steps"] += 1
        for user, person in self.people.items():
            memory = self._memory(user)
            there = {page.id: Said(page.session_id, page.user_input, page.agent_response) for page in memory.pages()}
            assert list(there.items()) == list(person.pages.items())
            places = Counter(page.id for pages in memory.tiers().values() for page in pages)
            assert places == Counter(list(person.pages))
            sources = {key for entry in memory.knowledge(history=True) for key in entry.source_page_ids}
            assert sources <= set(person.pages)
            assert {page.segment_id for page in memory.pages()} - {None} == {one.id for one in memory.segments()}

    def teardown(self) -> None:
        """Look for what is wrong in the store, and for what is gone; then make room for the next sequence."""
        system = self.shared.opened()
        mine = {self._memory(user).owner for user in USERS}
        try:
            assert [finding for finding in system.check() if finding.owner in mine] == []
            for user, person in self.people.items():
                for page_id in person.gone:
                    with_id = self._memory(user)
                    try:
                        with_id.page(page_id)
                    except NotFound:
                        continue
                    raise AssertionError("a forgotten page is there")
        finally:
            for user in USERS:
                self._memory(user).purge()

    # -- parts ------------------------------------------------------------------------

    def _memory(self, user: int, session: str = SESSIONS[0]) -> UserMemory:
        return self.shared.opened().memory(f"user {self.sequence}.{user}", session_id=session)

    def _some_page(self, user: int, place: int) -> str | None:
        ids = list(self.people[user].pages)
        return ids[place % len(ids)] if ids else None

    def _token(self) -> str:
        return f"zt{next(self.shared.numbers)}t"


def run(shared: Shared, *, sequences: int, steps: int = 20, seeded: bool = False) -> None:
    """Run random sequences on one store and count them; raise where engine and model disagree."""
    machine = type("Machine", (MemoryMachine,), {"shared": shared})
    chosen = settings(
        max_examples=sequences,
        stateful_step_count=steps,
        derandomize=seeded,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    try:
        run_state_machine_as_test(machine, settings=chosen)
    finally:
        shared.close()


def main() -> int:
    """Run as many sequences as asked for and print the counts; status 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.engine.soak.stateful")
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=20, help="most steps of a sequence")
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shared = Shared(Path(folder))
        try:
            with bar("fuzzing", "sequence", options.sequences, shown=True) as shared.step:
                run(shared, sequences=options.sequences, steps=options.steps)
        except Exception as error:  # noqa: BLE001 - a failure is what is counted; hypothesis printed how to repeat it
            failures = 1
            print(repr(error), file=sys.stderr)  # noqa: T201
    print(f"{shared.sequences} sequences, {shared.steps['steps']} steps, {failures} failures")  # noqa: T201
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
