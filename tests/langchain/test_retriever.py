"""MemoryOSRetriever: what is found and in which order, whose memory it is, and the chains that take it."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnableConfig, RunnablePassthrough

from memoryos_engine import HashingEmbedder, InvalidInput, ManualClock, MemoryOS, StoreError, UserMemory
from memoryos_integrations.langchain import MemoryOSRetriever
from memoryos_integrations.saving import save
from memoryos_integrations.search import LEAST_FACT_SCORE
from memoryos_integrations.turns import Turn
from tests.engine.fakes import TagAnalyst, TagEmbedder

from .conversation import FACT, QUESTION, RecordingChatModel

ROOT = Path(__file__).parents[2]


def run_of(user_id: str, **more: str) -> RunnableConfig:
    return {"configurable": {"user_id": user_id, **more}}


def inputs(documents: list[Any]) -> list[str]:
    return [document.metadata["user_input"] for document in documents]


def failing(*args: Any, **options: Any) -> None:
    raise StoreError("the disk is gone")


class Traced(BaseCallbackHandler):
    """Notes how retriever runs began and ended."""

    def __init__(self) -> None:
        self.started: list[tuple[str | None, str, dict[str, Any]]] = []
        self.ended: list[list[str]] = []
        self.failed: list[BaseException] = []

    def on_retriever_start(self, serialized: Any, query: str, **about: Any) -> None:
        self.started.append((about.get("name"), query, about.get("metadata") or {}))

    def on_retriever_end(self, documents: Any, **about: Any) -> None:
        self.ended.append(inputs(documents))

    def on_retriever_error(self, error: BaseException, **about: Any) -> None:
        self.failed.append(error)


@pytest.fixture
def teas(system: MemoryOS, clock: ManualClock) -> UserMemory:
    """Twelve pages an hour apart, in two sessions, from two channels."""
    for number in range(12):
        memory = system.memory("ann", session_id="shop" if number < 4 else "home")
        channel = "phone" if number % 2 else "web"
        memory.add_memory(f"Tea {number} is good.", "Noted.", metadata={"channel": channel, "stars": [number, "x"]})
        clock.advance(hours=1)
    return system.memory("ann", session_id="home")


@pytest.fixture
def facts(open_system: Any) -> UserMemory:
    """Four pages, of which an analyst made facts that say the same; similarity alone is what ranks."""
    system = open_system(
        embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1, heat_threshold=0.0, knowledge_top_k=10
    )
    memory = system.memory("ann", session_id="zoo")
    for animal in ("owl #owl", "fox #fox", "bee #bee", "elk #elk", "cat #cat"):
        memory.add_memory(animal, metadata={"seen": animal[:3]})
    memory.flush()
    return memory


# -- what is found ----------------------------------------------------------------------


def test_as_many_documents_come_as_were_asked_for_best_first(teas):
    found = MemoryOSRetriever(memory=teas, k=5).invoke("Is tea 7 good?")

    scores = [document.metadata["score"] for document in found]
    assert (len(found), scores) == (5, sorted(scores, reverse=True))
    assert inputs(found)[0] == "Tea 7 is good."


def test_fewer_documents_come_only_where_there_are_no_more(teas):
    assert len(MemoryOSRetriever(memory=teas, k=50).invoke("tea")) == 12


def test_nothing_remembered_finds_nothing(system):
    assert MemoryOSRetriever(memory=system.memory("new")).invoke("tea") == []


def test_the_asking_sessions_short_term_memory_is_found_like_the_rest(teas):
    assert inputs(MemoryOSRetriever(memory=teas, k=1).invoke("Is tea 11 good?")) == ["Tea 11 is good."]


def test_the_asking_sessions_short_term_memory_can_be_left_to_the_chain(teas):
    left_out = {page.user_input for page in teas.latest_memory().short_term}

    found = inputs(MemoryOSRetriever(memory=teas, k=50, include_recent=False).invoke("Is tea 11 good?"))

    assert (len(found), left_out & set(found)) == (12 - len(left_out), set())
    assert left_out


def test_a_page_says_what_it_is(system):
    memory = system.memory("ann", session_id="monday")
    page = memory.add_memory("I drink tea.", "Which?", timestamp="2024-05-04T18:30:00Z", metadata={"channel": "web"})

    (document,) = MemoryOSRetriever(memory=memory).invoke("tea")

    why = document.metadata.pop("why")
    assert sum(why.values()) == pytest.approx(document.metadata.pop("score"), abs=0.001)
    assert document.page_content == "2024-05-04 Sat 18:30\nUser: I drink tea.\nAssistant: Which?"
    assert document.id == page.id
    assert document.metadata == {
        "id": page.id,
        "kind": "page",
        "source": "monday",
        "user_input": "I drink tea.",
        "agent_response": "Which?",
        "timestamp": "2024-05-04T18:30:00+00:00",
        "session_id": "monday",
        "keywords": [],
        "tier": "short_term",
        "channel": "web",
    }


def test_a_document_is_not_the_page_itself(system):
    memory = system.memory("ann")
    memory.add_memory("I drink tea.", metadata={"tags": ["hot"], "source": "letter"})
    retriever = MemoryOSRetriever(memory=memory)

    retriever.invoke("tea")[0].metadata["tags"].append("cold")

    again = retriever.invoke("tea")[0].metadata
    assert (again["tags"], again["source"]) == (["hot"], "letter")


def test_a_blank_query_finds_the_newest_pages(teas):
    retriever = MemoryOSRetriever(memory=teas, k=2)

    assert inputs(retriever.invoke(" \n")) == ["Tea 11 is good.", "Tea 10 is good."]
    assert inputs(retriever.invoke("", session_ids=["shop"])) == ["Tea 3 is good.", "Tea 2 is good."]
    assert "Tea 11 is good." not in inputs(retriever.invoke("", include_recent=False))


@pytest.mark.parametrize("query", [None, {"input": "tea"}, ["tea"], b"tea"])
def test_a_query_that_is_no_text_is_refused(teas, query):
    with pytest.raises(InvalidInput, match="query is a"):
        MemoryOSRetriever(memory=teas).invoke(query)


def test_what_could_not_be_stored_before_is_stored_and_found(system, monkeypatch):
    memory = system.memory("ann")
    with monkeypatch.context() as broken:
        broken.setattr(system.embedder, "embed", failing)
        with pytest.raises(StoreError):
            save(memory, [Turn(user_input="I drink tea.")])

    assert inputs(MemoryOSRetriever(memory=memory).invoke("tea")) == ["I drink tea."]


# -- facts ------------------------------------------------------------------------------


def kinds(documents: list[Any]) -> list[str]:
    return [document.metadata["kind"] for document in documents]


def test_a_fact_says_what_it_is(facts):
    entry = next(each for each in facts.knowledge() if each.text == "fox #fox")

    document = MemoryOSRetriever(memory=facts, kinds=["fact"], k=1).invoke("fox #fox")[0]

    assert document.metadata.pop("score") > 1
    assert (document.id, document.page_content) == (entry.id, "2024-03-01: fox #fox")
    assert document.metadata == {
        "id": entry.id,
        "kind": "fact",
        "source": list(entry.source_page_ids),
        "fact": "fox #fox",
        "timestamp": "2024-03-01T12:00:00+00:00",
        "knowledge": "user_knowledge",
        "tier": "long_term",
    }


def test_a_fact_whose_page_is_found_is_not_said_twice(facts):
    assert kinds(MemoryOSRetriever(memory=facts, k=5).invoke("fox #fox")) == ["page"] * 5


def test_a_fact_takes_a_fifth_place_where_its_page_is_not_among_those_found(facts):
    for number in range(6):
        facts.in_session("den").add_memory(f"fox den {number} #fox", metadata={"seen": "den"})
    retriever = MemoryOSRetriever(memory=facts, k=5)
    asked = "fox den #fox"
    page_ids = {document.id for document in retriever.invoke(asked, kinds=["page"])}

    found = retriever.invoke(asked, kinds=["page", "fact"])

    assert kinds(found) == ["page"] * 4 + ["fact"]
    assert found[-1].metadata["score"] >= LEAST_FACT_SCORE
    assert page_ids.isdisjoint(found[-1].metadata["source"])
    assert page_ids > {document.id for document in found[:-1]}
    assert kinds(retriever.invoke(asked, k=4)) == ["page"] * 4


def test_a_fact_that_hardly_fits_takes_no_place(facts):
    for number in range(6):
        facts.in_session("den").add_memory(f"hole den lair nest pit mine {number} #ant")
    retriever = MemoryOSRetriever(memory=facts, k=5)
    asked = "hole den lair nest pit mine owl #ant"

    (best,) = retriever.invoke(asked, kinds=["fact"], k=1)

    assert (best.metadata["fact"], 0 < best.metadata["score"] < LEAST_FACT_SCORE) == ("owl #owl", True)
    assert best.metadata["source"][0] not in {document.id for document in retriever.invoke(asked)}
    assert kinds(retriever.invoke(asked)) == ["page"] * 5


def test_facts_alone_come_best_first_and_only_those_whose_page_passes(facts):
    retriever = MemoryOSRetriever(memory=facts, kinds=("fact",), k=2)

    both = [document.metadata["fact"] for document in retriever.invoke("bee or owl #bee")]
    owls = [document.metadata["fact"] for document in retriever.invoke("bee or owl #bee", filter={"seen": "owl"})]

    assert (both, owls) == (["bee #bee", "owl #owl"], ["owl #owl"])


# -- asking for more or less, and for what ----------------------------------------------


def test_a_call_says_anew_what_it_wants(teas):
    retriever = MemoryOSRetriever(memory=teas, k=4, filter={"channel": "phone"})

    assert len(retriever.invoke("tea", k=3)) == len(retriever.invoke("tea", None, k=3)) == 3
    assert len(retriever.invoke("tea", k=None)) == 4
    assert len(asyncio.run(retriever.ainvoke("tea", k=2))) == len(retriever.bind(k=2).invoke("tea")) == 2
    assert len(retriever.invoke("tea", k=20)) == 6
    assert len(retriever.invoke("tea", k=20, filter={})) == 12


def test_every_argument_can_be_made_configurable(teas):
    retriever = MemoryOSRetriever(memory=teas).configurable_fields(k=ConfigurableField(id="k"))

    assert len(retriever.with_config(configurable={"k": 3}).invoke("tea")) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"filter": {"channel": "phone"}}, {1, 3, 5, 7, 9, 11}),
        ({"filter": {"channel": ["phone", "fax"]}}, {1, 3, 5, 7, 9, 11}),
        ({"filter": {"channel": "phone", "stars": [3, 4, 5]}}, {3, 5}),
        ({"filter": {"stars": "x", "channel": "web"}}, {0, 2, 4, 6, 8, 10}),
        ({"filter": {"nothing": "here"}}, set()),
        ({"session_ids": ["shop"]}, {0, 1, 2, 3}),
        ({"session_ids": {"shop", "home"}, "filter": {"stars": [2, 9]}}, {2, 9}),
        ({"session_ids": []}, set()),
        ({"since": "2024-03-01T21:00:00Z"}, {9, 10, 11}),
        ({"until": "2024-03-01T14:00:00+00:00"}, {0, 1}),
        ({"since": "2024-03-01T14:00:00Z", "until": "2024-03-01T16:00:00Z", "filter": {"channel": "web"}}, {2}),
    ],
)
def test_only_pages_that_meet_the_conditions_are_ranked(teas, options, expected):
    """All twelve fit the query alike: were they filtered after ranking, fewer would come."""
    wanted = {f"Tea {number} is good." for number in expected}
    built, called = MemoryOSRetriever(memory=teas, k=6, **options), MemoryOSRetriever(memory=teas, k=6)

    assert set(inputs(built.invoke("tea"))) == wanted
    assert set(inputs(called.invoke("tea", **options))) == wanted
    assert set(inputs(called.invoke("", **options))) == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "^k is 0"),
        ({"k": "3"}, "^k is a str"),
        ({"k": True}, "^k is a bool"),
        ({"kinds": "page"}, "^kinds is no list"),
        ({"kinds": []}, "^kinds is no list"),
        ({"kinds": ["segment"]}, "^kinds is no list"),
        ({"include_recent": "no"}, "^include_recent is a str"),
        ({"filter": "phone"}, "^filter is a str"),
        ({"filter": {1: "phone"}}, "^filter has a int among its names"),
        ({"filter": {"session_id": "shop"}}, "filter asks for session_id.*Pass session_ids="),
        ({"filter": {"timestamp": "2024"}}, "filter asks for timestamp.*since= or until="),
        ({"filter": {"channel": {"$eq": "phone"}}}, "filter uses an operator"),
        ({"filter": {"$and": []}}, "filter uses an operator"),
        ({"session_ids": "shop"}, "^session_ids is a str, not a list"),
        ({"session_ids": [1]}, "^session_ids is a int"),
        ({"since": "yesterday"}, "^since is not a time"),
        ({"until": 2024}, "^until is a int"),
        ({"top_k": 3}, "^top_k is no argument.*Pass k"),
        ({"filters": {}}, "^filters is no argument.*Pass filter"),
        ({"search_kwargs": {"k": 3}}, "Pass k and filter"),
        ({"zzz": 1}, "^zzz is no argument.*There are"),
    ],
)
def test_what_cannot_be_asked_is_refused_when_made_and_when_called(teas, options, message):
    with pytest.raises(InvalidInput, match=message):
        MemoryOSRetriever(memory=teas, **options)
    with pytest.raises(InvalidInput, match=message):
        MemoryOSRetriever(memory=teas).invoke("tea", **options)


# -- whose memory ------------------------------------------------------------------------


@pytest.fixture
def two(system: MemoryOS) -> MemoryOSRetriever:
    """One retriever for two users who both spoke of a colour."""
    for user, colour in (("ann", "red"), ("bob", "blue")):
        system.memory(user).add_memory(f"My colour is {colour}.")
    return MemoryOSRetriever(system=system)


ANN, BOB = ["My colour is red."], ["My colour is blue."]


def test_the_run_names_the_user(two):
    assert inputs(two.invoke("colour", run_of("ann"))) == ANN
    assert inputs(two.invoke("colour", {"metadata": {"user_id": "bob"}})) == BOB
    assert inputs(two.with_config(configurable={"user_id": "bob"}).invoke("colour")) == BOB
    assert inputs(two.invoke("colour", {"configurable": {"user_id": "ann"}, "metadata": {"user_id": "bob"}})) == ANN


def test_each_run_of_a_batch_names_its_own(two):
    configs = [run_of("ann"), run_of("bob")] * 5

    batch = two.batch(["colour"] * 10, configs)
    abatch = asyncio.run(two.abatch(["colour"] * 10, configs))

    assert [inputs(each) for each in batch] == [inputs(each) for each in abatch] == [ANN, BOB] * 5


def test_the_user_of_a_chain_reaches_the_retriever_in_it(two):
    chain = RunnablePassthrough() | {"found": two, "query": RunnablePassthrough()}

    assert inputs(chain.invoke("colour", run_of("ann"))["found"]) == ANN
    assert inputs(asyncio.run(chain.ainvoke("colour", run_of("bob")))["found"]) == BOB


def test_two_users_on_one_retriever_never_meet(two):
    async def ask() -> list[Any]:
        return await asyncio.gather(*(two.ainvoke("colour", run_of(("ann", "bob")[n % 2])) for n in range(100)))

    assert [inputs(each) for each in asyncio.run(ask())] == [ANN, BOB] * 50


@pytest.mark.parametrize("name", ["session_id", "thread_id"])
def test_the_run_names_the_session(teas, system, name):
    retriever = MemoryOSRetriever(system=system, user_id="ann", k=50, include_recent=False)

    from_home = inputs(retriever.invoke("tea", {"configurable": {name: "home"}}))
    from_elsewhere = inputs(retriever.invoke("tea", {"configurable": {name: "elsewhere"}}))

    assert (len(from_home), len(from_elsewhere)) == (6, 12)


def test_a_pinned_memory_is_the_memory_of_every_run(system, two):
    pinned = MemoryOSRetriever(memory=system.memory("ann"))

    assert inputs(pinned.invoke("colour", run_of("bob"))) == ANN


def test_a_run_that_names_nobody_is_an_error(two):
    with pytest.raises(InvalidInput, match="user_id is missing"):
        two.invoke("colour")
    with pytest.raises(InvalidInput, match="user_id is missing"):
        asyncio.run(two.ainvoke("colour"))
    with pytest.raises(InvalidInput, match=r"user_id is no argument.*configurable"):
        two.invoke("colour", user_id="ann")


def test_memory_and_system_exclude_each_other(system):
    for options in ({}, {"memory": system.memory("ann"), "system": system}, {"memory": system}):
        with pytest.raises(InvalidInput, match=r"^memory"):
            MemoryOSRetriever(**options)


# -- prompt text ---------------------------------------------------------------------------


def test_context_is_the_prompt_text_of_what_is_found(teas):
    context = MemoryOSRetriever(memory=teas).as_context(max_tokens=2000)

    expected = teas.retrieve_memory("Is tea 2 good?", top_k=100).to_prompt(2000)
    assert context.invoke("Is tea 2 good?") == asyncio.run(context.ainvoke("Is tea 2 good?")) == expected
    assert "Tea 2 is good." in expected


def test_context_for_a_blank_query_is_what_stands_in_every_context(teas):
    assert MemoryOSRetriever(memory=teas).as_context().invoke("") == teas.latest_memory().to_prompt(2000)


def test_context_of_nothing_is_empty(system):
    assert MemoryOSRetriever(memory=system.memory("new")).as_context().invoke("tea") == ""


@pytest.mark.parametrize("options", [{"filter": {"channel": "web"}}, {"session_ids": ["shop"]}])
def test_filters_hold_for_the_turns_of_the_session_too(teas, options):
    text = MemoryOSRetriever(memory=teas, **options).as_context().invoke("Is tea 11 good?")

    allowed = [number for number in range(12) if (number % 2 == 0 if "filter" in options else number < 4)]
    assert [number for number in range(12) if f"Tea {number} is" in text] == allowed


def test_recent_turns_can_be_left_to_the_chain(teas):
    text = MemoryOSRetriever(memory=teas, include_recent=False).as_context().invoke("Is tea 11 good?")

    assert "# Current conversation" not in text
    assert "Tea 11 is" not in text
    assert "Tea 2 is" in text


def test_filters_and_kinds_hold_for_profile_and_facts(open_system):
    system = open_system(embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=2, heat_threshold=0.0)
    memory = system.memory("ann")
    for said, channel in (("name=Ann #me", "web"), ("I keep bees. #bee", "phone"), ("Bye. #bye", "web")):
        memory.add_memory(said, metadata={"channel": channel})
    memory.flush()

    def sections(**options: Any) -> list[str]:
        text = MemoryOSRetriever(memory=memory, **options).as_context().invoke("bees #bee")
        return [line for line in text.splitlines() if line.startswith("#")]

    assert sections() == ["# User", "# Earlier conversations", "# Current conversation"]
    assert sections(filter={"channel": "phone"}) == ["# Earlier conversations"]
    assert sections(filter={"channel": "web"}) == ["# User", "# Earlier conversations", "# Current conversation"]
    assert sections(kinds=["page"]) == ["# Earlier conversations", "# Current conversation"]
    assert sections(kinds=["fact"]) == ["# User", "# Known about the user"]
    assert sections(kinds=["fact"], filter={"channel": "phone"}) == ["# Known about the user"]
    assert sections(kinds=["fact"], filter={"channel": "web"}) == ["# User"]


def test_context_keeps_its_budget_and_refuses_none(teas):
    retriever = MemoryOSRetriever(memory=teas)

    assert len(retriever.as_context(max_tokens=60).invoke("tea")) < len(retriever.as_context().invoke("tea"))
    for options in ({"max_tokens": 0}, {"k": 0}):
        with pytest.raises(InvalidInput):
            retriever.as_context(**options)


# -- traces, failures, threads, travel -------------------------------------------------------


def test_a_search_is_a_retriever_run_of_the_trace(teas):
    traced = Traced()
    config: RunnableConfig = {"callbacks": [traced], "metadata": {"from": "test"}}
    retriever = MemoryOSRetriever(memory=teas, k=1)

    retriever.invoke("Is tea 3 good?", config)
    asyncio.run(retriever.ainvoke("Is tea 3 good?", config))

    for name, query, metadata in traced.started:
        assert (name, query) == ("MemoryOSRetriever", "Is tea 3 good?")
        assert (metadata["ls_retriever_name"], metadata["from"]) == ("memoryos", "test")
    assert traced.ended == [["Tea 3 is good."]] * 2


def test_context_is_a_retriever_run_of_the_trace(teas):
    traced = Traced()
    context = MemoryOSRetriever(memory=teas).as_context(k=1)

    context.invoke("Is tea 3 good?", {"callbacks": [traced]})

    assert [(name, query) for name, query, _ in traced.started] == [("MemoryOS recall", "Is tea 3 good?")]
    assert traced.started[0][2]["ls_retriever_name"] == "memoryos"
    assert traced.ended[0][0] == "Tea 3 is good."


def test_a_store_that_fails_is_an_error_and_never_an_empty_list(teas, monkeypatch):
    monkeypatch.setattr(teas.system.embedder, "embed", failing)
    traced = Traced()
    for asking in (MemoryOSRetriever(memory=teas), MemoryOSRetriever(memory=teas).as_context()):
        with pytest.raises(StoreError, match="the disk is gone"):
            asking.invoke("tea", {"callbacks": [traced]})

    assert [str(error) for error in traced.failed] == ["the disk is gone"] * 2


class Watched(HashingEmbedder):
    """Notes the threads it works in."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[threading.Thread] = []

    def embed(self, texts: Any) -> Any:
        self.threads.append(threading.current_thread())
        return super().embed(texts)


def test_awaiting_leaves_the_event_loop_free(open_system):
    embedder = Watched()
    memory = open_system(embedder=embedder).memory("ann")
    memory.add_memory("I drink tea.")
    embedder.threads.clear()
    retriever = MemoryOSRetriever(memory=memory)

    async def ask() -> threading.Thread:
        await retriever.ainvoke("tea")
        await retriever.as_context().ainvoke("tea")
        return threading.current_thread()

    loop_thread = asyncio.run(ask())
    assert len(embedder.threads) == 2
    assert loop_thread not in embedder.threads


def test_a_retriever_can_be_pickled_and_copied(teas):
    retriever = MemoryOSRetriever(system=teas.system, user_id="ann", k=2, filter={"channel": "web"}, since="2024-03-01")
    expected = inputs(retriever.invoke("Is tea 4 good?"))
    text = retriever.as_context().invoke("tea")

    for twin in (pickle.loads(pickle.dumps(retriever)), copy.deepcopy(retriever), copy.copy(retriever)):
        assert inputs(twin.invoke("Is tea 4 good?")) == expected
        assert twin.system is teas.system
    assert pickle.loads(pickle.dumps(retriever.as_context())).invoke("tea") == text


def test_neither_its_repr_nor_its_serialised_form_says_whose_it_is(system):
    for options in ({"system": system, "user_id": "ann@example.org"}, {"memory": system.memory("ann@example.org")}):
        retriever = MemoryOSRetriever(**options, k=3)

        assert repr(retriever) == "MemoryOSRetriever(k=3)"
        assert '"repr": "MemoryOSRetriever(k=3)"' in dumps(retriever)
        assert "example.org" not in dumps(retriever) + dumps(retriever.as_context()) + str(retriever)


# -- in the chains that take retrievers ------------------------------------------------------

CONTEXT = ChatPromptTemplate.from_template("{context}\n\n{input}")


def test_a_retrieval_chain_of_langchain_answers_from_memory(two):
    from langchain_classic.chains import create_retrieval_chain
    from langchain_classic.chains.combine_documents import create_stuff_documents_chain

    model = RecordingChatModel(answers=["red", "blue"])
    chain = create_retrieval_chain(two, create_stuff_documents_chain(model, CONTEXT))

    ann = chain.invoke({"input": "Which colour?"}, run_of("ann"))
    bob = asyncio.run(chain.ainvoke({"input": "Which colour?"}, run_of("bob")))

    assert (inputs(ann["context"]), ann["answer"], inputs(bob["context"])) == (ANN, "red", BOB)
    assert "My colour is red." in model.heard[0]
    assert "My colour is blue." in model.heard[1]
    assert "red" not in model.heard[1]


@pytest.fixture
def conversational(two: MemoryOSRetriever) -> Any:
    """A classic chain that rewrites the question first."""
    from langchain_classic.chains import ConversationalRetrievalChain

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the chain itself is deprecated, and LangChain says so
        model = RecordingChatModel(answers=["Which colour does Ann like?", "red"])
        return ConversationalRetrievalChain.from_llm(model, retriever=two, return_source_documents=True)


FOLLOW_UP = {"question": "And the colour?", "chat_history": [("Hi", "Hello")]}


def test_a_conversational_retrieval_chain_answers_from_memory(conversational):
    """As a step of a sequence: the chain itself hands on only its callbacks."""
    answer = (RunnablePassthrough() | conversational).invoke(FOLLOW_UP, run_of("ann"))

    assert (answer["answer"], inputs(answer["source_documents"])) == ("red", ANN)


def test_chains_that_hand_on_only_their_callbacks_name_the_user_in_the_metadata(conversational):
    answer = conversational.invoke(FOLLOW_UP, {"metadata": {"user_id": "ann"}})

    assert inputs(answer["source_documents"]) == ANN


def test_a_retriever_tool_answers_from_memory(two):
    from langchain_core.tools import create_retriever_tool

    tool = create_retriever_tool(two, "past", "What was said.", response_format="content_and_artifact")
    call = {"name": "past", "args": {"query": "colour"}, "id": "1", "type": "tool_call"}

    message = tool.invoke(call, run_of("ann"))

    assert "My colour is red." in message.content
    assert inputs(message.artifact) == ANN


def test_an_ensemble_fuses_memory_with_another_retriever(teas):
    from langchain_classic.retrievers import EnsembleRetriever

    phone, web = (MemoryOSRetriever(memory=teas, k=3, filter={"channel": channel}) for channel in ("phone", "web"))
    ensemble = EnsembleRetriever(retrievers=[phone, web], weights=[0.5, 0.5], id_key="id")

    assert set(inputs(ensemble.invoke("Is tea 5 good?"))) == set(inputs(phone.invoke("Is tea 5 good?"))) | set(
        inputs(web.invoke("Is tea 5 good?"))
    )


def test_a_compression_retriever_takes_memory_as_its_base(two):
    from langchain_classic.retrievers import ContextualCompressionRetriever
    from langchain_classic.retrievers.document_compressors import LLMChainFilter

    compressor = LLMChainFilter.from_llm(RecordingChatModel(answers=["YES", "NO"]))
    retriever = ContextualCompressionRetriever(base_retriever=two, base_compressor=compressor)
    chain = RunnablePassthrough() | retriever

    assert [inputs(chain.invoke("colour", run_of("ann"))), chain.invoke("colour", run_of("ann"))] == [ANN, []]


REMEMBER = """
import sys
from memoryos_engine import MemoryOS
from tests.langchain.conversation import CONVERSATION
with MemoryOS(sys.argv[1]) as system:
    memory = system.memory("tom", session_id="monday")
    for said, answered in CONVERSATION:
        memory.add_memory(said, answered)
    print(len(memory.pages()))
"""


def test_what_another_process_remembered_stands_in_the_prompt_of_a_rag_chain(tmp_path):
    stored = subprocess.run(
        [sys.executable, "-c", REMEMBER, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    model = RecordingChatModel(answers=["reindeer"] * 4)

    with MemoryOS(tmp_path) as system:
        retriever = MemoryOSRetriever(system=system)
        for memory in (retriever, retriever.as_context()):
            chain = {"context": memory, "input": RunnablePassthrough()} | CONTEXT | model | StrOutputParser()
            for user in ("tom", "eve"):
                assert chain.invoke(QUESTION, run_of(user, session_id="tuesday")) == "reindeer"

    assert stored.stdout == "32\n"
    assert [FACT in prompt for prompt in model.heard] == [True, False, True, False]
