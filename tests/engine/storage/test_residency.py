"""Which users are in memory: least recently used leaves first, and a large user is answered slower, not wrong."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from memoryos_engine.changes import Changes
from memoryos_engine.errors import StoreError
from memoryos_engine.records import Owner
from memoryos_engine.storage.residency import ResidentSets

PAGES = 20


def owned(name: str) -> Owner:
    return Owner(user_id=name, assistant_id="assistant")


@pytest.fixture
def filled(store, make_page, direction):
    """A store in which ann, bob, cem, dan and eve have twenty pages each."""
    for name in ("ann", "bob", "cem", "dan", "eve"):
        with ResidentSets(store, dimension=8, budget=10**9).use(owned(name)) as resident:
            pages = tuple(make_page(number, owner=name) for number in range(PAGES))
            resident.commit(Changes(pages=pages, vectors={page.id: direction(page.sequence) for page in pages}))
    return store


@pytest.fixture
def set_bytes(filled) -> int:
    sets = ResidentSets(filled, dimension=8, budget=10**9)
    with sets.use(owned("ann")):
        return sets.nbytes


@pytest.fixture
def make_sets(filled, set_bytes):
    """Resident sets with room for so many users; all of them are equally large."""

    def making(room: float) -> ResidentSets:
        return ResidentSets(filled, dimension=8, budget=int(set_bytes * room))

    return making


def used(sets: ResidentSets, *names: str) -> list[str]:
    for name in names:
        with sets.use(owned(name)):
            pass
    return [owner.user_id for owner in sets.owners]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ann", "bob", "cem"], ["ann", "bob", "cem"]),
        (["ann", "bob", "cem", "dan"], ["bob", "cem", "dan"]),
        (["ann", "bob", "cem", "ann", "dan"], ["cem", "ann", "dan"]),
        (["ann", "bob", "cem", "dan", "eve", "ann"], ["dan", "eve", "ann"]),
    ],
)
def test_the_least_recently_used_leave_first(make_sets, names, expected):
    """Design part 3: evicted least recently used under a byte budget."""
    sets = make_sets(3.5)

    assert used(sets, *names) == expected
    assert sets.nbytes <= sets._budget


def test_a_set_that_left_is_read_again_when_it_is_used(make_sets):
    """Leaving memory loses nothing: the store has it all."""
    sets = make_sets(1.5)
    used(sets, "ann", "bob")
    with sets.use(owned("ann")) as resident:
        assert len(resident.records.pages) == PAGES


def test_sets_in_use_stay_whatever_the_budget(make_sets):
    """A set in use is pinned, so there is never more than one set of an owner."""
    sets = make_sets(1.5)
    with sets.use(owned("ann")) as first:
        assert used(sets, "bob", "cem", "dan") == ["ann"]
        with sets.use(owned("ann")) as again:
            assert again is first

    assert used(sets, "eve") == ["eve"]


def test_all_pinned_sets_may_exceed_the_budget_until_they_are_let_go(make_sets):
    """Slower, not wrong: nobody's set is taken away while it is worked on."""
    sets = make_sets(1.5)
    with ExitStack() as stack:
        for name in ("ann", "bob", "cem"):
            stack.enter_context(sets.use(owned(name)))
        assert [owner.user_id for owner in sets.owners] == ["ann", "bob", "cem"]

    assert sets.nbytes <= sets._budget
    assert [owner.user_id for owner in sets.owners] == ["ann"]


def test_two_threads_that_open_a_user_at_once_share_one_set(make_sets):
    """One owner per mutable collection: two sets of one user would drift apart."""
    sets, together, found = make_sets(5), threading.Barrier(8), []

    def open_it() -> None:
        together.wait(timeout=10)
        with sets.use(owned("ann")) as resident:
            found.append(resident)
            together.wait(timeout=10)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert len(found) == 8
    assert len({id(resident) for resident in found}) == 1


def test_a_set_that_could_not_be_read_is_tried_again(watched, make_store, make_page, direction):
    """A failure of the store must not leave an empty memory behind (style habit 6)."""
    store = make_store(watched)
    with ResidentSets(store, dimension=8, budget=10**9).use(owned("ann")) as resident:
        resident.commit(Changes(pages=(make_page(0, owner="ann"),), vectors={"page_ann_0": direction(0)}))
    sets = ResidentSets(store, dimension=8, budget=10**9)
    watched.failure = ConnectionError("gone")
    with pytest.raises(StoreError), sets.use(owned("ann")):
        pass
    watched.failure = None

    with sets.use(owned("ann")) as resident:
        assert list(resident.records.pages) == ["page_ann_0"]


SUBJECTS = ["sourdough bread", "a grey cat", "the marathon", "my violin", "old stamps", "a kayak", "the tax office"]
TURNS = [
    {"user_input": f"Today I thought about {SUBJECTS[n % 7]}, take {n}.", "agent_response": f"Tell me more, {n}."}
    for n in range(60)
]
QUERIES = [f"What about {subject}?" for subject in SUBJECTS]


@pytest.mark.parametrize(
    ("share", "precision"),
    [(1.0, "float32"), (0.9, "float16"), (0.3, "none")],
)
def test_a_user_over_the_budget_is_answered_with_coarser_vectors_and_then_by_chroma(open_system, share, precision):
    """Design part 3: float16 first, then Chroma's filtered query: slower but not wrong."""
    plain = open_system()
    plain.memory("tom").import_turns(TURNS)
    expected = [
        [page.id for page in plain.memory("tom").retrieve_memory(query, touch=False).pages] for query in QUERIES
    ]
    size = plain._storage.residents.nbytes
    plain.close()
    system = open_system(resident_bytes=int(size * share))
    memory = system.memory("tom")
    assert len(memory.pages()) == len(TURNS)
    found = [[page.id for page in memory.retrieve_memory(query, touch=False).pages] for query in QUERIES]
    with system._storage.residents.use(memory.owner) as resident:
        kept = resident.records.index.precision

    assert kept == precision
    assert [pages[0] for pages in found] == [pages[0] for pages in expected]
    assert [len(pages) for pages in found] == [len(pages) for pages in expected]


def test_what_is_added_to_a_user_without_resident_vectors_is_found_and_kept_in_full(open_system):
    """Invariant 1 whatever the budget: consolidation uses the vectors in the store."""
    system = open_system(resident_bytes=1)
    memory = system.memory("tom")
    memory.import_turns(TURNS)
    memory.add_memory("My parrot is called Kiwi.", "A fine name.")
    memory.flush()
    found = memory.retrieve_memory("What is my parrot called?", touch=False)

    assert found.best is not None
    assert found.best.user_input == "My parrot is called Kiwi."
    assert len(memory.pages()) == len(TURNS) + 1
    assert memory.status().pending == 0
    assert system.check() == []
