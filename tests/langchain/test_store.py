"""MemoryOSStore: LangGraph's contract of a store, kept by one user's memory."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import pytest
from langchain.agents import create_agent
from langchain.tools import InjectedStore
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchItem,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from memoryos_engine import (
    EmbeddingError,
    HashingEmbedder,
    InvalidInput,
    ManualClock,
    MemoryOS,
    StoreError,
    UserMemory,
)
from memoryos_integrations.langchain import MemoryOSStore
from memoryos_integrations.langchain.store_items import ITEM
from tests.langchain.speaking import ToolCaller, saying

NOTES = ("memories", "tom")
LEARNING = {"short_term_capacity": 1, "heat_threshold": 0.0}
"""Settings with which everything said is read into long-term memory by the next flush."""


@pytest.fixture
def memory(system: MemoryOS) -> UserMemory:
    return system.memory("tom")


@pytest.fixture
def store(memory: UserMemory) -> MemoryOSStore:
    return MemoryOSStore(memory=memory)


@pytest.fixture
def learnt(open_system: Callable[..., MemoryOS], clock: ManualClock) -> UserMemory:
    """A memory that knows of two homes, the later one current, and of a sister."""
    memory = open_system(**LEARNING).memory("tom")
    memory.add_memory("I live in Paris.")
    clock.advance(days=30)
    memory.add_memory("I live in Lisbon. My sister Olga keeps reindeer.")
    memory.flush()
    return memory


def values(found: list[SearchItem]) -> list[dict[str, Any]]:
    return [item.value for item in found]


def keys(found: list[SearchItem]) -> list[str]:
    return [item.key for item in found]


def item_pages(memory: UserMemory) -> list[str]:
    """What stands in the pages that hold items."""
    return [page.agent_response for page in memory.pages() if ITEM in page.metadata]


# -- one item ---------------------------------------------------------------------------


def test_an_item_is_read_back_as_it_was_put(store: MemoryOSStore, clock: ManualClock) -> None:
    value = {
        "content": "تام در لیسبون زندگی می‌کند",
        "tags": ["a", {"b": None}],
        "n": 2**70,
        "x": 0.1,
        "yes": True,
        "no": "",
    }
    store.put(NOTES, "a key", value)

    assert store.get(NOTES, "a key").dict() == {
        "namespace": ["memories", "tom"],
        "key": "a key",
        "value": value,
        "created_at": clock().isoformat(),
        "updated_at": clock().isoformat(),
    }
    assert store.get(NOTES, "another") is None
    assert store.get(("memories",), "a key") is None


def test_putting_again_replaces_the_item_and_keeps_when_it_was_made(
    store: MemoryOSStore, memory: UserMemory, clock: ManualClock
) -> None:
    made = clock()
    store.put(NOTES, "tea", {"content": "Tom likes green tea."})
    later = clock.advance(days=2)
    store.put(NOTES, "tea", {"content": "Tom likes black tea."})

    item = store.get(NOTES, "tea")
    assert (item.value, item.created_at, item.updated_at) == ({"content": "Tom likes black tea."}, made, later)
    assert item_pages(memory) == ["Tom likes black tea."]


def test_a_deleted_item_is_gone_with_its_page(store: MemoryOSStore, memory: UserMemory) -> None:
    store.put(NOTES, "a", {"content": "Tom likes tea."})
    store.put(NOTES, "b", {"content": "Tom likes cake."})

    store.delete(NOTES, "a")
    store.delete(NOTES, "never there")

    assert store.get(NOTES, "a") is None
    assert item_pages(memory) == ["Tom likes cake."]


def test_what_is_done_to_an_item_that_was_read_stays_outside(store: MemoryOSStore) -> None:
    store.put(NOTES, "a", {"list": [1]})

    store.get(NOTES, "a").value["list"].append(2)
    store.search(NOTES)[0].value["list"].append(3)

    assert store.get(NOTES, "a").value == {"list": [1]}


def test_items_are_there_after_a_restart(open_system: Callable[..., MemoryOS]) -> None:
    first = open_system()
    store = MemoryOSStore(memory=first.memory("tom"))
    store.put(NOTES, "a", {"content": "Tom plays the oboe."})
    store.put(NOTES, "b", {"content": "Tom has a cat."})
    before = store.search(NOTES, query="Which instrument, an oboe?")
    first.close()

    again = MemoryOSStore(memory=open_system().memory("tom")).search(NOTES, query="Which instrument, an oboe?")

    assert again == before
    assert keys(again) == ["a", "b"]


def test_no_capacity_of_the_engine_takes_an_item(open_system: Callable[..., MemoryOS]) -> None:
    memory = open_system(mid_term_capacity=2, knowledge_capacity=1, short_term_sessions=1, **LEARNING).memory("tom")
    store = MemoryOSStore(memory=memory, knowledge=None)
    topics = ["oboe concerts", "tomato beds", "tax returns", "sea kayaks", "sourdough bread", "moon landings"]
    for number in range(60):
        store.put(NOTES, str(number), {"content": f"Note {number} about {topics[number % 6]}"})
    memory.in_session("talk").add_memory("I live in Rome.", "Lovely.")
    memory.flush()

    found = store.search(NOTES, query="tomato", limit=100)
    assert {item.key for item in found} == set(map(str, range(60)))
    assert None not in [item.score for item in found]
    assert [store.get(NOTES, str(number)) is None for number in range(60)] == [False] * 60


# -- what is searched -------------------------------------------------------------------


def test_a_search_with_a_query_returns_the_best_first(store: MemoryOSStore) -> None:
    store.put(NOTES, "tea", {"content": "Green tea in the morning."})
    store.put(NOTES, "cat", {"content": "The cat is called Felix."})
    store.put(NOTES, "boat", {"content": "A wooden boat in Marseille."})

    found = store.search(NOTES, query="What is the cat called?")

    assert keys(found)[0] == "cat"
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    assert found[0].score > 3 * found[1].score  # the neighbours in the session lend it nothing
    assert store.search(NOTES, query="What is the cat called?", limit=1, offset=1) == found[1:2]


def test_a_search_without_words_lists_the_newest_first(store: MemoryOSStore, clock: ManualClock) -> None:
    for key in "abc":
        store.put(NOTES, key, {"content": key})
    clock.advance(minutes=1)
    store.put(NOTES, "a", {"content": "a again"})

    assert keys(store.search(NOTES)) == ["a", "c", "b"]
    assert keys(store.search(NOTES, query=" ")) == ["a", "c", "b"]
    assert keys(store.search(NOTES, limit=1, offset=1)) == ["c"]
    assert [item.score for item in store.search(NOTES)] == [None] * 3


def test_a_prefix_is_one_of_labels(store: MemoryOSStore) -> None:
    store.put(("a", "b"), "1", {"content": "tea"})
    store.put(("ab",), "2", {"content": "tea"})
    store.put(("a", "bc"), "3", {"content": "tea"})

    assert sorted(keys(store.search(("a",), query="tea"))) == ["1", "3"]
    assert keys(store.search(("a", "b"))) == ["1"]
    assert keys(store.search(())) == ["3", "2", "1"]


@pytest.mark.parametrize(
    "condition",
    [
        {"kind": "note"},
        {"kind": {"$ne": "note"}},
        {"kind": {"$eq": "note"}, "size": 3},
        {"size": {"$gt": 2, "$lte": 4}},
        {"size": {"$gte": 3}},
        {"size": {"$lt": 3}},
        {"where": {"city": "Lisbon"}},
        {"where": {"floor": {"$gt": 1}}},
        {"tags": ["x", "y"]},
        {"tags": ["x"]},
        {"missing": None},
        {"nowhere": {"a": "b"}},
        {},
    ],
    ids=str,
)
def test_filters_select_what_those_of_langgraph_select(store: MemoryOSStore, condition: dict[str, Any]) -> None:
    reference = InMemoryStore()
    for each in (store, reference):
        each.put(NOTES, "1", {"kind": "note", "size": 3, "where": {"city": "Lisbon", "floor": 2}, "tags": ["x", "y"]})
        each.put(NOTES, "2", {"kind": "note", "size": 4, "where": {"city": "Porto", "floor": 1}, "tags": ["x"]})
        each.put(NOTES, "3", {"kind": "list", "size": 2, "where": {"city": "Faro", "floor": 0}, "tags": []})

    selected = {item.key for item in reference.search(NOTES, filter=condition)}

    assert {item.key for item in store.search(NOTES, filter=condition)} == selected
    assert {item.key for item in store.search(NOTES, filter=condition, query="Lisbon")} == selected


def test_what_cannot_be_compared_is_not_selected(store: MemoryOSStore) -> None:
    store.put(NOTES, "number", {"size": 3})
    store.put(NOTES, "text", {"size": "m"})
    store.put(NOTES, "truth", {"size": True})
    store.put(NOTES, "nothing", {})

    assert keys(store.search(NOTES, filter={"size": {"$gt": 0}})) == ["number"]
    assert keys(store.search(NOTES, filter={"size": {"$gte": "a"}})) == ["text"]


def test_an_index_names_what_an_item_is_found_by(store: MemoryOSStore, memory: UserMemory) -> None:
    value = {"title": "Garden", "body": {"plants": ["roses", "lupins"]}, "author": "a gardener"}
    store.put(NOTES, "whole", value)
    store.put(NOTES, "part", value, index=["title", "body.plants[*]"])
    store.put(NOTES, "none of it", {"content": " ", "seen": None}, index=["missing"])

    assert item_pages(memory) == [
        "title: Garden\nbody plants: roses\nbody plants: lupins\nauthor: a gardener",
        "Garden\nroses\nlupins",
        "item none of it",
    ]
    assert store.get(NOTES, "part").value == value


def test_a_search_finds_an_item_that_is_replaced_meanwhile(open_system: Callable[..., MemoryOS]) -> None:
    embedder = Meddler()
    store = MemoryOSStore(memory=open_system(embedder=embedder).memory("tom"))
    store.put(NOTES, "cat", {"content": "The cat is called Felix."})
    embedder.once = lambda: store.put(NOTES, "cat", {"content": "The cat is called Tiger."})

    assert values(store.search(NOTES, query="What is the cat called?")) == [{"content": "The cat is called Tiger."}]


class Meddler(HashingEmbedder):
    """Does something once, in the midst of embedding a question."""

    once: Callable[[], Any] | None = None

    def embed(self, texts: Any) -> Any:
        if self.once is not None and texts[0].endswith("?"):
            meddle, self.once = self.once, None
            meddle()
        return super().embed(texts)


# -- namespaces -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prefix": ("a",)},
        {"prefix": ("a", "*", "d")},
        {"suffix": ("d",)},
        {"suffix": ("*", "e")},
        {"prefix": ("a",), "suffix": ("f",)},
        {"prefix": ("a", "b"), "max_depth": 3},
        {"max_depth": 1},
        {"limit": 2, "offset": 1},
        {"limit": 0},
        {"prefix": ("nowhere",)},
    ],
    ids=str,
)
def test_namespaces_are_listed_as_langgraph_lists_them(store: MemoryOSStore, options: dict[str, Any]) -> None:
    reference = InMemoryStore()
    for each in (store, reference):
        for namespace in ("abc", "abde", "abdi", "abf", "acf", "xd", "x"):
            each.put(tuple(namespace), "k", {"content": namespace})

    assert store.list_namespaces(**options) == reference.list_namespaces(**options)


def test_a_namespace_without_items_is_none(store: MemoryOSStore) -> None:
    store.put(("a",), "k", {"content": "x"})
    store.delete(("a",), "k")

    assert store.list_namespaces() == []


@pytest.mark.parametrize("namespace", [("a.b",), ("a", ""), ("a", 1), ("a\0",), "text"], ids=repr)
@pytest.mark.parametrize("kind", ["get", "put", "search", "list"])
def test_a_namespace_that_is_none_is_refused_in_a_batch_too(store: MemoryOSStore, namespace: Any, kind: str) -> None:
    op = {
        "get": lambda: GetOp(namespace, "k"),
        "put": lambda: PutOp(namespace, "k", {"content": "x"}),
        "search": lambda: SearchOp(namespace),
        "list": lambda: ListNamespacesOp((MatchCondition("prefix", namespace),)),
    }[kind]()

    with pytest.raises(InvalidNamespaceError):
        store.batch([op])


@pytest.mark.parametrize("namespace", [(), ("langgraph", "x")])
def test_nothing_is_put_where_langgraph_forbids_it(store: MemoryOSStore, namespace: Any) -> None:
    with pytest.raises(InvalidNamespaceError):
        store.batch([PutOp(namespace, "k", {"content": "x"})])


# -- batches ----------------------------------------------------------------------------


def test_a_batch_reads_before_it_writes_and_answers_in_order(store: MemoryOSStore) -> None:
    store.put(NOTES, "a", {"content": "old"})

    results = store.batch(
        [
            PutOp(NOTES, "a", {"content": "new"}),
            GetOp(NOTES, "a"),
            PutOp(NOTES, "b", {"content": "first"}),
            SearchOp(NOTES),
            PutOp(NOTES, "b", {"content": "last"}),
            ListNamespacesOp(),
            PutOp(NOTES, "c", {"content": "c"}),
            PutOp(NOTES, "c", None),
        ]
    )

    assert results[1].value == {"content": "old"}
    assert values(results[3]) == [{"content": "old"}]
    assert results[5] == [NOTES]
    assert [results[place] for place in (0, 2, 4, 6, 7)] == [None] * 5
    assert values(store.search(NOTES)) == [{"content": "last"}, {"content": "new"}]


@pytest.mark.parametrize(
    ("op", "parameter"),
    [
        (PutOp(NOTES, "k", {"content": "x"}, ttl=5), "ttl"),
        (PutOp(NOTES, "k", {"content": "x"}, index=False), "index"),
        (PutOp(NOTES, "k", {"content": "x"}, index=[]), "index"),
        (PutOp(NOTES, "k", {"content": {1, 2}}), "value"),
        (PutOp(NOTES, "k", {"content": float("nan")}), "value"),
        (PutOp(NOTES, "k", {"content": "\ud800"}), "value"),
        (PutOp(NOTES, "k", {"content": "x" * 2_000_000}), "value"),
        (PutOp(NOTES, "k", {1: "x"}), "value"),
        (PutOp(NOTES, "k", "text"), "value"),
        (PutOp(NOTES, 1, {"content": "x"}), "key"),
        (PutOp(("\ud800",), "k", {"content": "x"}), "namespace"),
        (SearchOp(NOTES, limit=-1), "limit"),
        (SearchOp(NOTES, offset=1.5), "offset"),
        (SearchOp(NOTES, filter={"size": {"$near": 3}}), "filter"),
        (SearchOp(NOTES, filter={"a": {"size": {"$gt": 3, "b": 1}}}), "filter"),
        (SearchOp(NOTES, filter="size"), "filter"),
        (SearchOp(NOTES, query=3), "query"),
        (ListNamespacesOp(max_depth=0), "max_depth"),
        (ListNamespacesOp((MatchCondition("middle", ("a",)),)), "match_conditions"),
        ("get", "ops"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_of_a_batch_with_an_operation_that_cannot_be_served_nothing_is_done(
    store: MemoryOSStore, memory: UserMemory, op: Any, parameter: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        store.batch([PutOp(NOTES, "good", {"content": "x"}), op])

    assert refused.value.parameter == parameter
    assert memory.pages() == []


def test_a_value_nested_too_deeply_is_refused(store: MemoryOSStore, memory: UserMemory) -> None:
    value: dict[str, Any] = {}
    for _ in range(5000):
        value = {"in": value}

    with pytest.raises(InvalidInput, match="value is nested too deeply"):
        store.put(NOTES, "k", value)
    assert memory.pages() == []


def test_time_to_live_is_refused_as_langgraph_refuses_it(store: MemoryOSStore) -> None:
    with pytest.raises(NotImplementedError, match="TTL is not supported by MemoryOSStore"):
        store.put(NOTES, "k", {"content": "x"}, ttl=5)


def test_a_put_that_could_not_be_stored_leaves_the_item_as_it_was(open_system: Callable[..., MemoryOS]) -> None:
    embedder = Meddler()
    store = MemoryOSStore(memory=open_system(embedder=embedder).memory("tom"))
    store.put(NOTES, "k", {"content": "before"})

    def fail() -> None:
        raise EmbeddingError("down")

    embedder.once = fail
    with pytest.raises(EmbeddingError):
        store.put(NOTES, "k", {"content": "after?"})

    assert values(store.search(NOTES)) == [{"content": "before"}]


# -- at once, and crashes -----------------------------------------------------------------


def test_of_many_puts_at_once_one_stays(store: MemoryOSStore, memory: UserMemory) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: store.put(NOTES, "k", {"content": f"from {number}"}), range(40)))

    assert item_pages(memory) == [store.get(NOTES, "k").value["content"]]


def test_a_reader_never_misses_an_item_that_is_replaced(store: MemoryOSStore) -> None:
    store.put(NOTES, "k", {"content": "0"})
    done = threading.Event()

    def write() -> None:
        for number in range(20):
            store.put(NOTES, "k", {"content": str(number)})
        done.set()

    seen: list[int] = []
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        while not done.is_set() and not writing.done():
            seen += [len(store.search(NOTES, query="0")), int(store.get(NOTES, "k") is not None)]
        writing.result()

    assert set(seen) == {1}


def test_after_a_crash_in_the_midst_of_replacing_the_newest_counts(
    open_system: Callable[..., MemoryOS], monkeypatch: pytest.MonkeyPatch
) -> None:
    system = open_system()
    store = MemoryOSStore(memory=system.memory("tom"))
    store.put(NOTES, "k", {"content": "old"})
    with monkeypatch.context() as patched:
        patched.setattr(UserMemory, "forget", crash)
        with pytest.raises(StoreError):
            store.put(NOTES, "k", {"content": "new"})
    system.close()

    memory = open_system().memory("tom")
    store = MemoryOSStore(memory=memory)
    assert item_pages(memory) == ["old", "new"]
    assert store.get(NOTES, "k").value == {"content": "new"}
    assert values(store.search(NOTES, query="old new")) == [{"content": "new"}]
    store.put(NOTES, "other", {"content": "other"})
    assert item_pages(memory) == ["new", "other"]


def test_what_a_crash_left_does_not_come_back_when_the_item_is_deleted(
    store: MemoryOSStore, memory: UserMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(NOTES, "k", {"content": "old"})
    with monkeypatch.context() as patched:
        patched.setattr(UserMemory, "forget", crash)
        with pytest.raises(StoreError):
            store.put(NOTES, "k", {"content": "new"})

    store.delete(NOTES, "k")

    assert item_pages(memory) == []


def crash(memory: UserMemory, record_id: str) -> None:
    raise StoreError("the process is gone")


def test_the_awaited_calls_leave_the_event_loop_free(open_system: Callable[..., MemoryOS]) -> None:
    embedder = Waiting()
    store = MemoryOSStore(memory=open_system(embedder=embedder).memory("tom"))

    async def talk() -> tuple[Any, ...]:
        putting = asyncio.create_task(store.aput(NOTES, "k", {"content": "x"}))
        while not embedder.entered.is_set():
            await asyncio.sleep(0)
        embedder.leave.set()  # never reached if the loop stood still
        await putting
        got, found = await asyncio.gather(store.aget(NOTES, "k"), store.asearch(NOTES, query="x"))
        listed = await store.alist_namespaces()
        await store.adelete(NOTES, "k")
        return got.value, values(found), listed, await store.aget(NOTES, "k")

    assert asyncio.run(talk()) == ({"content": "x"}, [{"content": "x"}], [NOTES], None)


class Waiting(HashingEmbedder):
    """Embeds nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.leave = threading.Event(), threading.Event()

    def embed(self, texts: Any) -> Any:
        self.entered.set()
        assert self.leave.wait(30)
        return super().embed(texts)


# -- one memory ---------------------------------------------------------------------------


def test_an_item_is_part_of_the_memory(store: MemoryOSStore, memory: UserMemory) -> None:
    store.put(NOTES, "k", {"content": "Tom's sister Olga keeps reindeer."})

    found = memory.in_session("another day").retrieve_memory("Who keeps reindeer?")

    assert [page.agent_response for page in found.pages] == ["Tom's sister Olga keeps reindeer."]
    assert "Assistant: Tom's sister Olga keeps reindeer." in found.to_prompt()


def test_items_stand_in_no_conversation(store: MemoryOSStore, memory: UserMemory) -> None:
    memory.add_memory("Hello.", "Hello Tom.")
    store.put(NOTES, "k", {"content": "x"})

    assert [page.user_input for page in memory.session_pages()] == ["Hello."]


def test_a_search_counts_as_a_visit_of_what_it_returns(open_system: Callable[..., MemoryOS]) -> None:
    memory = open_system(short_term_capacity=1).memory("tom")
    store = MemoryOSStore(memory=memory)
    store.put(NOTES, "cat", {"content": "The cat is called Felix."})
    store.put(NOTES, "boat", {"content": "A wooden boat lies in Marseille."})
    memory.flush()

    assert keys(store.search(NOTES, query="cat Felix", limit=1)) == ["cat"]
    memory.flush()

    visits = {segment.id: segment.visits for segment in memory.segments()}
    assert {page.agent_response: visits[page.segment_id] for page in memory.pages()} == {
        "The cat is called Felix.": 1,
        "A wooden boat lies in Marseille.": 0,
    }


def test_what_was_said_is_no_item(store: MemoryOSStore, memory: UserMemory) -> None:
    memory.add_memory("I like tea.", "Noted.", metadata={ITEM: "something else"})
    memory.add_memory("And cake.", metadata={ITEM: {"namespace": ["a"], "key": "k", "value": {}, "created_at": "late"}})

    assert store.search((), query="tea") == []
    assert store.list_namespaces() == []


def test_facts_and_profile_can_be_read_as_items(learnt: UserMemory, clock: ManualClock) -> None:
    store = MemoryOSStore(memory=learnt)
    store.put(NOTES, "k", {"content": "Tom takes sugar."})

    found = store.search(NOTES)

    assert sorted(item.value["content"] for item in found if "kind" in item.value) == [
        "I live in Lisbon.",
        "I live in Paris.",
        "My sister Olga keeps reindeer.",
        "home: Lisbon",
    ]
    home = next(item for item in found if item.value == {"content": "home: Lisbon", "kind": "user_profile"})
    assert str(UUID(home.key)) == home.key
    assert store.get(NOTES, home.key).dict() == {
        "namespace": ["memories", "tom"],
        "key": home.key,
        "value": home.value,
        "created_at": clock().isoformat(),
        "updated_at": clock().isoformat(),
    }
    best = store.search(NOTES, query="Which sister keeps reindeer?")[0]
    assert best.value == {"content": "My sister Olga keeps reindeer.", "kind": "user_knowledge"}
    assert keys(store.search(NOTES, filter={"kind": "user_profile"}, query="home")) == [home.key]


def test_facts_are_items_in_the_namespace_given_for_them_alone(learnt: UserMemory) -> None:
    assert MemoryOSStore(memory=learnt).list_namespaces() == [NOTES]
    assert MemoryOSStore(memory=learnt).search(("elsewhere",), query="home") == []
    assert MemoryOSStore(memory=learnt, knowledge=("facts",)).list_namespaces() == [("facts",)]
    assert MemoryOSStore(memory=learnt, knowledge=None).search(()) == []


def test_facts_of_a_user_whose_id_is_no_label_need_a_namespace_of_their_own(
    open_system: Callable[..., MemoryOS],
) -> None:
    memory = open_system(**LEARNING).memory("tom@example.com")
    memory.add_memory("My sister Olga keeps reindeer.")
    memory.flush()

    assert MemoryOSStore(memory=memory).search(()) == []
    assert values(MemoryOSStore(memory=memory, knowledge=("facts",)).search(("facts",))) == [
        {"content": "My sister Olga keeps reindeer.", "kind": "user_knowledge"}
    ]


def test_deleting_a_fact_forgets_it(learnt: UserMemory) -> None:
    store = MemoryOSStore(memory=learnt)
    olga = store.search(NOTES, query="reindeer")[0]

    store.delete(NOTES, olga.key)

    assert store.get(NOTES, olga.key) is None
    assert [entry.text for entry in learnt.knowledge() if "Olga" in entry.text] == []


def test_putting_under_the_key_of_a_fact_replaces_it_and_what_it_followed(learnt: UserMemory) -> None:
    store = MemoryOSStore(memory=learnt)
    (home,) = store.search(NOTES, filter={"kind": "user_profile"})

    store.put(NOTES, home.key, {"content": "Tom has no fixed home."})

    item = store.get(NOTES, home.key)
    assert (item.value, item.created_at) == ({"content": "Tom has no fixed home."}, home.created_at)
    assert dict(learnt.get_user_profile().fields) == {}  # not Paris, which Lisbon had replaced
    assert len([each for each in store.search(NOTES) if each.key == home.key]) == 1


def test_a_fact_that_is_said_anew_is_kept_beside_the_item_that_replaced_it(
    learnt: UserMemory, clock: ManualClock
) -> None:
    store = MemoryOSStore(memory=learnt)
    (home,) = store.search(NOTES, filter={"kind": "user_profile"})
    store.put(NOTES, home.key, {"content": "Tom has no fixed home."})
    clock.advance(days=30)
    learnt.add_memory("I live in Lisbon.")
    learnt.flush()

    store.put(NOTES, "other", {"content": "x"})

    assert store.get(NOTES, home.key).value == {"content": "Tom has no fixed home."}
    assert values(store.search(NOTES, filter={"kind": "user_profile"})) == [home.value]


def test_a_crash_in_the_midst_of_replacing_a_fact_leaves_the_item(
    learnt: UserMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryOSStore(memory=learnt)
    (home,) = store.search(NOTES, filter={"kind": "user_profile"})
    with monkeypatch.context() as patched:
        patched.setattr(UserMemory, "forget", crash)
        with pytest.raises(StoreError):
            store.put(NOTES, home.key, {"content": "Tom has no fixed home."})

    assert store.get(NOTES, home.key).value == {"content": "Tom has no fixed home."}
    store.delete(NOTES, home.key)
    assert store.get(NOTES, home.key) is None
    assert dict(learnt.get_user_profile().fields) == {}


def test_what_was_read_out_of_items_is_no_second_item(open_system: Callable[..., MemoryOS]) -> None:
    memory = open_system(**LEARNING).memory("tom")
    store = MemoryOSStore(memory=memory)
    store.put(NOTES, "k", {"content": "I recommend the Gulbenkian museum in Lisbon for modern painting."})
    memory.flush()

    assert [entry.text for entry in memory.knowledge()] == [item_pages(memory)[0]]
    assert keys(store.search(NOTES, query="museum")) == ["k"]


# -- whose memory -------------------------------------------------------------------------


def run(system: MemoryOS, action: Callable[[MemoryOSStore], Any], config: Any = None, **options: Any) -> Any:
    """Do something with a store in the midst of a run."""
    store = MemoryOSStore(system=system, **options)
    return RunnableLambda(lambda _: action(store)).invoke(None, config)


def naming(**ids: str) -> dict[str, Any]:
    return {"configurable": ids}


@pytest.mark.parametrize("name", ["user_id", "langgraph_user_id"])
def test_two_users_of_one_store_never_meet(system: MemoryOS, name: str) -> None:
    space = ("memories", "shared label")
    run(system, lambda store: store.put(space, "k", {"content": "Ann's PIN is 1234."}), naming(**{name: "ann"}))
    bob = naming(**{name: "bob"})

    assert run(system, lambda store: store.get(space, "k"), bob) is None
    assert run(system, lambda store: store.search((), query="PIN"), bob) == []
    assert run(system, lambda store: store.list_namespaces(), bob) == []
    run(system, lambda store: store.delete(space, "k"), bob)
    run(system, lambda store: store.put(space, "k", {"content": "Bob's."}), bob)
    item = run(system, lambda store: store.get(space, "k"), naming(**{name: "ann"}))
    assert item.value == {"content": "Ann's PIN is 1234."}
    assert sorted(owner.user_id for owner in system.users()) == ["ann", "bob"]


def test_an_operation_that_names_no_user_is_an_error(system: MemoryOS) -> None:
    with pytest.raises(InvalidInput, match="user_id is missing"):
        MemoryOSStore(system=system).put(NOTES, "k", {"content": "x"})
    with pytest.raises(InvalidInput, match="user_id is missing"):
        MemoryOSStore(system=system, user_label=1).search(("memories",))
    assert system.users() == []


def test_a_label_of_the_namespace_can_name_the_user(system: MemoryOS) -> None:
    store = MemoryOSStore(system=system, user_label=1)
    store.put(("memories", "ann"), "k", {"content": "Ann's."})
    store.put(("memories", "bob"), "k", {"content": "Bob's."})

    assert store.get(("memories", "ann"), "k").value == {"content": "Ann's."}
    assert values(store.search(("memories", "bob"), query="Ann")) == [{"content": "Bob's."}]
    assert store.list_namespaces(prefix=("memories", "ann")) == [("memories", "ann")]
    with pytest.raises(InvalidInput, match="user_id is missing"):
        store.list_namespaces(prefix=("memories", "*"))
    assert values(MemoryOSStore(memory=system.memory("ann")).search(())) == [{"content": "Ann's."}]


def test_a_batch_may_be_about_several_users(system: MemoryOS) -> None:
    store = MemoryOSStore(system=system, user_label=0)
    store.put(("ann",), "k", {"content": "Ann's old."})

    results = store.batch(
        [
            PutOp(("ann",), "k", {"content": "Ann's."}),
            PutOp(("bob",), "k", {"content": "Bob's."}),
            GetOp(("ann",), "k"),
            GetOp(("bob",), "k"),
        ]
    )

    assert [results[2].value, results[3]] == [{"content": "Ann's old."}, None]
    assert [store.get((user,), "k").value["content"] for user in ("ann", "bob")] == ["Ann's.", "Bob's."]


def test_a_run_cannot_reach_another_users_label(system: MemoryOS) -> None:
    run(
        system, lambda store: store.put(("memories", "ann"), "k", {"content": "x"}), naming(user_id="ann"), user_label=1
    )

    for action in (
        lambda store: store.get(("memories", "ann"), "k"),
        lambda store: store.search(("memories", "ann")),
        lambda store: store.delete(("memories", "ann"), "k"),
        lambda store: store.list_namespaces(prefix=("memories", "ann")),
    ):
        with pytest.raises(InvalidInput, match="namespace names another user than the run does"):
            run(system, action, naming(user_id="bob"), user_label=1)
    assert run(system, lambda store: store.search(("memories",)), naming(user_id="bob"), user_label=1) == []


def test_a_run_may_name_a_team_beside_its_user(system: MemoryOS) -> None:
    both = naming(user_id="ann", langgraph_user_id="team-x")
    run(system, lambda store: store.put(("memories", "team-x"), "k", {"content": "x"}), both, user_label=1)

    assert values(MemoryOSStore(memory=system.memory("team-x")).search(())) == [{"content": "x"}]
    assert [owner.user_id for owner in system.users()] == ["team-x"]


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"user_label": -1}, "user_label"),
        ({"user_label": True}, "user_label"),
        ({"knowledge": ()}, "knowledge"),
        ({"knowledge": "memories"}, "knowledge"),
        ({"knowledge": ("a.b",)}, "knowledge"),
    ],
)
def test_unusable_arguments_are_refused(system: MemoryOS, options: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        MemoryOSStore(system=system, **options)
    assert refused.value.parameter == parameter


def test_one_of_memory_and_system_says_whose_it_is(system: MemoryOS) -> None:
    with pytest.raises(InvalidInput, match="exactly one"):
        MemoryOSStore()
    with pytest.raises(InvalidInput, match="user_label is given beside a memory"):
        MemoryOSStore(memory=system.memory("tom"), user_label=1)


def test_a_system_that_deletes_old_pages_is_refused(open_system: Callable[..., MemoryOS]) -> None:
    system = open_system(eviction="delete")
    with pytest.raises(InvalidInput, match='eviction="archive"'):
        MemoryOSStore(system=system)
    with pytest.raises(InvalidInput, match='eviction="archive"'):
        MemoryOSStore(memory=system.memory("tom"))


def test_a_store_is_pickled_as_a_handle(store: MemoryOSStore) -> None:
    store.put(NOTES, "k", {"content": "x"})

    pickled = pickle.dumps(store)

    assert pickle.loads(pickled).get(NOTES, "k") == store.get(NOTES, "k")
    assert b"content" not in pickled


# -- in an agent --------------------------------------------------------------------------


@dataclass
class Context:
    user_id: str


@tool
def note(text: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Keep a note."""
    store.put(("notes",), "last", {"content": text})
    return "noted"


@tool("note")
async def awaited_note(text: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Keep a note."""
    await store.aput(("notes",), "last", {"content": text})
    return "noted"


def noting_agent(store: BaseStore, how: Any = note, **options: Any) -> Any:
    call = AIMessage("", tool_calls=[{"name": "note", "args": {"text": "Ann likes tea."}, "id": "1"}])
    return create_agent(ToolCaller(respond=saying(call, "done")), [how], store=store, **options)


@pytest.mark.parametrize("how", ["context", "configurable"])
def test_an_agents_tools_use_the_store_of_the_runs_user(system: MemoryOS, how: str) -> None:
    store = MemoryOSStore(system=system)
    named = {"context": Context("ann")} if how == "context" else {"config": naming(user_id="ann", thread_id="monday")}

    answer = noting_agent(store, context_schema=Context).invoke({"messages": [("user", "I like tea.")]}, **named)

    assert [message.content for message in answer["messages"]] == ["I like tea.", "", "noted", "done"]
    memory = system.memory("ann")
    assert values(MemoryOSStore(memory=memory).search(("notes",))) == [{"content": "Ann likes tea."}]
    assert [memory.in_session(session).session_pages() for session in ("monday", "default")] == [[], []]


def test_an_awaited_agents_tools_use_the_store_of_the_runs_user_or_none(system: MemoryOS) -> None:
    agent = noting_agent(MemoryOSStore(system=system), awaited_note)
    running = agent.ainvoke({"messages": [("user", "I like tea.")]}, naming(user_id="ann"))

    if sys.version_info < (3, 11):  # LangGraph hides the run from async code there
        with pytest.raises(InvalidInput, match="user_id is missing"):
            asyncio.run(running)
        assert system.users() == []
    else:
        asyncio.run(running)
        assert [owner.user_id for owner in system.users()] == ["ann"]
