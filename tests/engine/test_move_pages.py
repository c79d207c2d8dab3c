"""Pages that move to another session: whole, in one change, and nothing else of them is new."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from memoryos_engine import InvalidInput, MemoryOS, NotFound, StoreError, Tier
from memoryos_engine.analysis.extractive import ExtractiveAnalyst

from .fakes import TagAnalyst, TagEmbedder
from .soundness import assert_as_reloaded, rows, told

TIERS = list(Tier)
EVERYWHERE = {
    "short_term_capacity": 3,
    "mid_term_capacity": 2,
    "similarity_threshold": 2.0,
    "heat_threshold": 0.0,
}
SAID = [
    ("I have hepatitis and see doctor Lindqvist.", "I am sorry about the hepatitis."),
    ("I love sourdough bread.", "With rye?"),
    ("My name is Tom.", "Hello, Tom!"),
    ("I play the violin.", "Since when?"),
    ("And the kayak.", "On which lake?"),
]


def failing(*_, **__):
    raise ConnectionError("the disk went away")


@pytest.fixture
def memory(open_system):
    """Tom's desk has pages in every tier, with pages of his phone and of others in between."""
    system = open_system(**EVERYWHERE)
    memory = system.memory("tom", session_id="desk")
    phone, eve = memory.in_session("phone"), system.memory("eve", session_id="desk")
    for number, (said, heard) in enumerate(SAID):
        memory.add_memory(said, heard)
        phone.add_memory(f"Call {number}", "Noted.")
        eve.add_memory(f"Secret {number}", "Kept.")
        if number == 3:
            memory.flush()
    return memory


def desk_by_tier(memory) -> dict[Tier, list[str]]:
    return {tier: [page.id for page in pages if page.session_id == "desk"] for tier, pages in memory.tiers().items()}


def numbered(memory) -> list[int]:
    return [page.sequence for page in memory.session_pages()]


# -- one page of each tier -----------------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIERS, ids=[tier.value for tier in TIERS])
def test_a_page_of_any_tier_moves_and_nothing_else_of_it_changes(memory, tier):
    """Id, sides, time, place, chain, keywords, segment: all but the name of the session."""
    before = memory.pages()
    moving = desk_by_tier(memory)[tier][0]
    segments, facts = memory.segments(), memory.knowledge(history=True)
    count = memory.move_pages([moving], "cellar")

    expected = [replace(page, session_id="cellar") if page.id == moving else page for page in before]
    assert count == 1
    assert memory.pages() == expected
    assert memory.in_session("cellar").session_pages() == [page for page in expected if page.id == moving]
    assert memory.session_pages() == [page for page in expected if page.session_id == "desk"]
    assert (memory.segments(), memory.knowledge(history=True)) == (segments, facts)
    assert_as_reloaded(memory.system)


def test_vectors_and_documents_of_moved_pages_stay_as_they_lie_in_the_store(memory, monkeypatch):
    """Nothing is embedded again; only the session in the page's own data is new."""

    def besides_data():
        return [[part for part in row if not isinstance(part, tuple) or part[0] != "data"] for row in rows(system)]

    system = memory.system
    before = besides_data()
    monkeypatch.setattr(system.embedder, "embed", failing)
    memory.move_pages([page.id for page in memory.session_pages()], "cellar")

    assert besides_data() == before


def test_a_session_that_moves_whole_is_there_in_its_order_and_here_no_more(memory):
    desk = memory.session_pages()
    ids = [page.id for page in reversed(desk)]

    assert memory.move_pages(ids, "cellar") == 5
    assert memory.session_pages() == []
    assert memory.in_session("cellar").session_pages() == [replace(page, session_id="cellar") for page in desk]
    assert memory.latest_memory().short_term == ()
    assert_as_reloaded(memory.system)


def test_pages_that_join_another_session_stand_among_its_own_in_order_of_arrival(memory):
    memory.move_pages([page.id for page in memory.session_pages()[1:4]], "phone")

    assert numbered(memory.in_session("phone")) == [1, 2, 3, 4, 5, 6, 7, 9]
    assert numbered(memory) == [0, 8]
    assert_as_reloaded(memory.system)


def test_what_moved_there_and_back_is_as_if_it_had_stayed(memory):
    before = told(memory), memory.tiers(), memory.segments(), memory.knowledge(history=True)
    ids = [page.id for page in memory.session_pages()]
    memory.move_pages(ids, "cellar")
    memory.move_pages(ids, "desk")

    assert (told(memory), memory.tiers(), memory.segments(), memory.knowledge(history=True)) == before
    assert_as_reloaded(memory.system)


def test_pages_that_are_there_already_stay_and_are_not_counted(memory):
    before = rows(memory.system)
    ids = [page.id for page in memory.session_pages()]

    assert memory.move_pages(ids, "desk") == 0
    assert memory.move_pages([], "cellar") == 0
    assert rows(memory.system) == before


def test_a_page_that_is_named_twice_moves_once(memory):
    page = memory.session_pages()[0]

    assert memory.move_pages([page.id, page.id], "cellar") == 1
    assert memory.in_session("cellar").session_pages() == [replace(page, session_id="cellar")]


def test_it_does_not_matter_in_which_session_the_caller_stands(memory):
    page = memory.session_pages()[0]

    assert memory.in_session("phone").move_pages(iter([page.id]), "cellar") == 1
    assert numbered(memory.in_session("cellar")) == [0]


# -- what is refused --------------------------------------------------------------------------------------


def nobodys(memory) -> str:
    return "no such page"


def anothers(memory) -> str:
    return memory.system.memory("eve", session_id="desk").session_pages()[0].id


def anothers_assistant(memory) -> str:
    return memory.system.memory("tom", "tutor", "desk").add_memory("Hi").id


def a_segment(memory) -> str:
    return memory.segments()[0].id


def a_fact(memory) -> str:
    return memory.knowledge()[0].id


def a_forgotten_page(memory) -> str:
    page = memory.in_session("phone").session_pages()[-1]
    memory.forget(page.id)
    return page.id


@pytest.mark.parametrize("stranger", [nobodys, anothers, anothers_assistant, a_segment, a_fact, a_forgotten_page])
def test_if_one_is_no_page_of_the_user_none_moves(memory, stranger):
    """Whoever knows another's page id learns and changes nothing with it."""
    unknown = stranger(memory)
    before, others = rows(memory.system), told(memory.system.memory("eve"))

    with pytest.raises(NotFound, match=unknown):
        memory.move_pages([memory.session_pages()[0].id, unknown], "cellar")

    assert rows(memory.system) == before
    assert told(memory.system.memory("eve")) == others
    assert_as_reloaded(memory.system)


@pytest.mark.parametrize("session_id", ["", None, 5, "half \ud83d"])
def test_a_session_that_has_no_name_is_refused_before_anything_moves(memory, session_id):
    before = rows(memory.system)

    with pytest.raises(InvalidInput, match="session_id"):
        memory.move_pages([memory.session_pages()[0].id], session_id)

    assert rows(memory.system) == before


# -- short-term memory of both sessions ----------------------------------------------------------------------


@pytest.fixture
def talk(open_system):
    """Three pages at the desk, two on the phone; STM holds them all."""
    memory = open_system(short_term_capacity=4).memory("tom", session_id="desk")
    for number, session in enumerate(("desk", "phone", "desk", "phone", "desk")):
        memory.in_session(session).add_memory(f"Text {number}", "Noted.")
    return memory


def stm(memory, session_id: str) -> list[int]:
    return [page.sequence for page in memory.in_session(session_id).latest_memory().short_term]


def test_stm_of_both_sessions_is_right_at_once(talk):
    talk.move_pages([talk.session_pages()[-1].id], "cellar")

    assert (stm(talk, "desk"), stm(talk, "phone"), stm(talk, "cellar")) == ([0, 2], [1, 3], [4])
    assert_as_reloaded(talk.system)


def test_what_becomes_too_much_for_stm_is_pending_and_work_is_scheduled(talk, monkeypatch):
    scheduled = []
    monkeypatch.setattr(talk.system._worker, "schedule", lambda owner, *, delay: scheduled.append((owner, delay)))
    talk.move_pages([page.id for page in talk.session_pages()], "phone")

    assert (stm(talk, "desk"), stm(talk, "phone")) == ([], [2, 3, 4])
    assert [page.sequence for page in talk.pages(Tier.PENDING)] == [0, 1]
    assert scheduled == [(talk.owner, talk.system.settings.consolidation_delay)]
    assert_as_reloaded(talk.system)


def test_no_work_is_scheduled_if_all_of_it_rests_in_stm(talk, monkeypatch):
    scheduled = []
    monkeypatch.setattr(talk.system._worker, "schedule", lambda owner, *, delay: scheduled.append(owner))
    talk.move_pages([talk.session_pages()[-1].id], "cellar")

    assert scheduled == []


def test_an_answer_goes_to_the_question_that_is_last_after_the_move(talk):
    asked = talk.add_memory("Which lake?")
    talk.in_session("phone").add_memory("Shall I call?")
    talk.move_pages([asked.id], "phone")
    alone = talk.add_response("The big one.")
    answer = talk.in_session("phone").add_response("Yes.")

    assert (alone.user_input, alone.sequence) == ("", 7)
    assert (answer.user_input, answer.agent_response) == ("Shall I call?", "Yes.")
    assert talk.in_session("phone").add_response("Lake Inari.", page_id=asked.id).user_input == "Which lake?"
    assert_as_reloaded(talk.system)


def test_which_sessions_keep_an_stm_follows_from_where_the_pages_are_now(open_system):
    memory = open_system(short_term_sessions=2).memory("tom", session_id="desk")
    pages = [memory.in_session(session).add_memory(session) for session in ("desk", "car", "phone", "phone")]
    before = [stm(memory, session) for session in ("desk", "car", "phone")]
    memory.move_pages([page.id for page in pages[2:]], "desk")

    assert before == [[], [1], [2, 3]]
    assert [stm(memory, session) for session in ("desk", "car", "phone")] == [[0, 2, 3], [1], []]
    assert_as_reloaded(memory.system)


def test_the_next_page_arrives_after_all_that_moved(talk):
    talk.move_pages([page.id for page in talk.session_pages()], "cellar")
    page = talk.in_session("cellar").add_memory("Hello again")

    assert page.sequence == 5
    assert numbered(talk.in_session("cellar")) == [0, 2, 4, 5]
    assert_as_reloaded(talk.system)


def test_search_finds_a_moved_page_and_a_forgotten_session_takes_it_along(memory):
    violin = next(page for page in memory.session_pages() if "violin" in page.user_input)
    memory.move_pages([violin.id], "cellar")

    found = memory.in_session("elsewhere").retrieve_memory("violin", touch=False).pages
    assert [page.session_id for page in found if page.id == violin.id] == ["cellar"]
    assert memory.in_session("cellar").forget_session() == 1
    assert violin.id not in {page.id for page in memory.pages()}
    assert_as_reloaded(memory.system)


# -- consolidation in flight ----------------------------------------------------------------------------------


class Held(ExtractiveAnalyst):
    """Waits within its first reading until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.let_go = threading.Event(), threading.Event()

    def consolidate(self, pages, segments):
        if not self.reached.is_set():
            self.reached.set()
            assert self.let_go.wait(30)
        return super().consolidate(pages, segments)


@pytest.mark.parametrize("moved", [[0], [1, 2], [0, 1, 2, 3]])
def test_pages_that_move_while_they_are_consolidated_are_kept_where_they_moved(open_system, moved):
    """The plan that was made before is dropped: no page is lost, in two segments, or back where it was."""
    analyst = Held()
    system = open_system(analyst=analyst, short_term_capacity=1)
    memory = system.memory("tom", session_id="desk")
    pages = [memory.add_memory(f"The violin needs string {number}.", "Noted.") for number in range(4)]
    work = threading.Thread(target=memory.flush)
    work.start()
    assert analyst.reached.wait(30)
    count = memory.move_pages([pages[number].id for number in moved], "cellar")
    analyst.let_go.set()
    work.join(30)

    assert not work.is_alive()
    assert count == len(moved)
    sessions = ["cellar" if number in moved else "desk" for number in range(4)]
    assert [page.session_id for page in memory.pages()] == sessions
    assert memory.pages(Tier.PENDING) == []
    placed = [page for segment in memory.segments() for page in memory.pages() if page.segment_id == segment.id]
    assert sorted(page.id for page in placed) == sorted(page.id for page in pages)
    assert_as_reloaded(system)


def test_chains_that_were_made_before_stay_and_what_comes_goes_on_in_its_new_session(open_system):
    analyst = TagAnalyst()
    system = open_system(analyst=analyst, embedder=TagEmbedder(), short_term_capacity=1, heat_threshold=1000.0)
    memory = system.memory("tom", session_id="desk")
    first = memory.add_memory("One #violin")
    memory.flush()
    chained = memory.pages()[0]
    memory.move_pages([first.id], "cellar")
    memory.in_session("cellar").add_memory("Two #violin")
    memory.add_memory("Three #violin")
    memory.flush()
    moved, goes_on, alone = memory.pages()

    assert moved == replace(chained, session_id="cellar")
    assert (goes_on.meta_chain, alone.meta_chain) == ("One #violin > Two #violin", "Three #violin")
    assert goes_on.chain_id == moved.chain_id != alone.chain_id
    assert_as_reloaded(system)


def test_two_that_move_one_page_at_once_leave_it_in_one_session(talk):
    page = talk.session_pages()[0]
    start = threading.Barrier(8)

    def move(number: int) -> None:
        start.wait(timeout=30)
        talk.move_pages([page.id], f"session {number}")

    movers = [threading.Thread(target=move, args=(number,)) for number in range(8)]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join(30)

    assert [each.id for each in talk.pages()].count(page.id) == 1
    assert sum(len(talk.in_session(f"session {number}").session_pages()) for number in range(8)) == 1
    assert_as_reloaded(talk.system)


# -- when the store fails ---------------------------------------------------------------------------------------


def test_a_store_that_takes_no_write_leaves_all_as_it_was(talk, monkeypatch):
    store, before = talk.system._storage.store, told(talk)
    with monkeypatch.context() as patch:
        patch.setattr(store._collection, "upsert", failing)
        with pytest.raises(StoreError):
            talk.move_pages([talk.session_pages()[0].id], "cellar")

    assert told(talk) == before
    assert_as_reloaded(talk.system)


def test_a_write_whose_reply_is_lost_is_seen_by_the_next_use(talk, monkeypatch):
    """Else memory would say one session and the store another until the next opening."""
    collection = talk.system._storage.store._collection
    upsert = collection.upsert

    def written(**columns):
        upsert(**columns)
        raise ConnectionError("the reply is lost")

    with monkeypatch.context() as patch:
        patch.setattr(collection, "upsert", written)
        with pytest.raises(StoreError):
            talk.move_pages([talk.session_pages()[0].id], "cellar")

    assert numbered(talk.in_session("cellar")) == [0]
    assert_as_reloaded(talk.system)


def test_half_of_a_move_that_takes_several_writes_is_seen_and_finished_by_moving_again(talk, monkeypatch):
    store = talk.system._storage.store
    monkeypatch.setattr(store, "max_batch", 2)
    upsert, left = store._upsert, [2]

    def fails_later(owner, rows, head=None):
        left[0] -= 1
        if left[0] < 0:
            raise StoreError("the disk is full")
        upsert(owner, rows, head)

    ids = [page.id for page in talk.session_pages()]
    with monkeypatch.context() as patch:
        patch.setattr(store, "_upsert", fails_later)
        with pytest.raises(StoreError):
            talk.move_pages(ids, "cellar")

    assert (numbered(talk.in_session("cellar")), numbered(talk)) == ([0, 2], [4])
    assert_as_reloaded(talk.system)
    assert talk.move_pages(ids, "cellar") == 1
    assert (numbered(talk.in_session("cellar")), numbered(talk)) == ([0, 2, 4], [])
    assert_as_reloaded(talk.system)


def test_moved_pages_are_where_they_moved_after_reopening(memory, open_system):
    memory.move_pages([page.id for page in memory.session_pages()[:3]], "cellar")
    before = told(memory), memory.tiers(), stm(memory, "desk"), stm(memory, "cellar")
    memory.system.close()
    again = open_system(**EVERYWHERE).memory("tom", session_id="desk")

    assert (told(again), again.tiers(), stm(again, "desk"), stm(again, "cellar")) == before
    assert_as_reloaded(again.system)


def test_moved_pages_travel_in_an_export(memory, open_system, tmp_path):
    memory.move_pages([page.id for page in memory.session_pages()[:3]], "cellar")
    before = told(memory), memory.pages(), memory.segments(), memory.knowledge(history=True)
    memory.export(tmp_path / "tom.jsonl")
    other: MemoryOS = open_system(path=tmp_path / "other", **EVERYWHERE)
    again = other.import_memory(tmp_path / "tom.jsonl")

    assert (told(again), again.pages(), again.segments(), again.knowledge(history=True)) == before
    assert numbered(again.in_session("cellar")) == [0, 2, 4]
    assert_as_reloaded(other)
