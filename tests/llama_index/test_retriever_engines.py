"""MemoryOSRetriever in what LlamaIndex builds on retrievers: engines, postprocessors, fusion, tools and agents."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor import (
    LongContextReorder,
    MetadataReplacementPostProcessor,
    SimilarityPostprocessor,
    TimeWeightedPostprocessor,
)
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import NodeWithScore
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from llama_index_instrumentation.dispatcher import instrument_tags

from memoryos_engine import InvalidInput, StoreError, UserMemory
from memoryos_integrations.llama_index import MemoryOSRetriever
from tests.remembered import five_animals, twelve_teas, two_colours

from .recording import RecordingLLM, calling

USERS = ("ann", "bob")
SAID = {"ann": "My colour is red.", "bob": "My colour is blue."}


@pytest.fixture
def teas(system, clock) -> UserMemory:
    return twelve_teas(system, clock)


@pytest.fixture
def two(system) -> MemoryOSRetriever:
    """One retriever for two users who both spoke of a colour."""
    return MemoryOSRetriever(system=two_colours(system))


def inputs(nodes: list[NodeWithScore]) -> list[str]:
    return [node.metadata["user_input"] for node in nodes]


def echo(prompt) -> str:
    """Answer with the colours that stand in the prompt."""
    text = "\n".join(str(message.content) for message in prompt)
    return " ".join(colour for colour in ("red", "blue") if f"colour is {colour}" in text) or "unknown"


def tagged(user_id: str):
    return instrument_tags({"user_id": user_id})


# -- query engines ----------------------------------------------------------------------


def query_engine(retriever: BaseRetriever, llm: Any, **options: Any) -> RetrieverQueryEngine:
    return RetrieverQueryEngine.from_args(retriever, llm=llm, **options)


async def test_a_query_engine_answers_from_the_memory_of_whoever_asks(two):
    llm = RecordingLLM(echo)
    engine = query_engine(two, llm)

    with tagged("ann"):
        ann = engine.query("Which colour?")
    with tagged("bob"):
        bob = await engine.aquery("Which colour?")

    assert (str(ann), inputs(ann.source_nodes), str(bob), inputs(bob.source_nodes)) == (
        "red",
        [SAID["ann"]],
        "blue",
        [SAID["bob"]],
    )


async def test_a_query_engine_streams(two):
    engine = query_engine(two, RecordingLLM(echo), streaming=True)

    with tagged("ann"):
        response = engine.query("Which colour?")
    assert ("".join(response.response_gen), inputs(response.source_nodes)) == ("red", [SAID["ann"]])

    with tagged("bob"):
        response = await engine.aquery("Which colour?")
        pieces = [piece async for piece in response.async_response_gen()]
    assert ("".join(pieces), inputs(response.source_nodes)) == ("blue", [SAID["bob"]])


@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize", "accumulate"])
def test_the_model_reads_what_was_said_and_when_and_no_metadata(system, mode):
    memory = system.memory("ann", session_id="desk")
    memory.add_memory("I drink tea, {query_str}.", "With {context_str}?", metadata={"channel": "web"})
    llm = RecordingLLM(lambda prompt: "tea")

    query_engine(MemoryOSRetriever(memory=memory), llm, response_mode=mode).query("What do I drink?")

    assert "2024-03-01 Fri 12:00\nUser: I drink tea, {query_str}.\nAssistant: With {context_str}?" in llm.heard[0]
    for ours in ("channel", "session_id", "tier", "score", "page_", "desk"):
        assert ours not in llm.heard[0]


def test_nothing_remembered_is_no_error(system):
    engine = query_engine(MemoryOSRetriever(memory=system.memory("new")), MockLLM())

    assert engine.query("Which colour?").source_nodes == []


def test_a_store_that_fails_fails_the_query(teas, monkeypatch):
    def failing(*args: Any) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(teas.system.embedder, "embed", failing)

    with pytest.raises(StoreError, match="the disk is gone"):
        query_engine(MemoryOSRetriever(memory=teas), MockLLM()).query("tea")


def test_a_query_of_nobody_fails_before_the_model_is_asked(two):
    with pytest.raises(InvalidInput, match="user_id is missing"):
        query_engine(two, RecordingLLM([])).query("Which colour?")


async def test_two_users_of_one_engine_never_meet(two):
    """Interleaved tasks, then threads: an answer is made of what its own user said."""
    engine = query_engine(two, RecordingLLM(echo))

    async def awaited(number: int) -> str:
        with tagged(USERS[number % 2]):
            return str(await engine.aquery("Which colour?"))

    def asked(number: int) -> str:
        with tagged(USERS[number % 2]):
            return str(engine.query("Which colour?"))

    tasks = await asyncio.gather(*(awaited(number) for number in range(100)))
    with ThreadPoolExecutor(8) as pool:
        threads = list(pool.map(asked, range(100)))

    assert tasks == threads == ["red", "blue"] * 50


# -- postprocessors -----------------------------------------------------------------------


def processed(memory: UserMemory, query: str, *postprocessors: Any, **options: Any) -> list[NodeWithScore]:
    retriever = MemoryOSRetriever(memory=memory, **options)
    engine = query_engine(retriever, MockLLM(), node_postprocessors=list(postprocessors))
    return engine.query(query).source_nodes


def test_a_cutoff_leaves_what_fits_better(teas):
    found = MemoryOSRetriever(memory=teas).retrieve("Is tea 7 good?")
    cutoff = found[2].score

    kept = processed(teas, "Is tea 7 good?", SimilarityPostprocessor(similarity_cutoff=cutoff))

    assert inputs(kept) == inputs([node for node in found if node.score >= cutoff])
    assert 3 <= len(kept) < len(found)


def test_a_cutoff_holds_for_facts_by_the_same_scale(open_system):
    """A fact that says what the query says passes where its page does."""
    animals = five_animals(open_system)
    for kinds in (["page"], ["fact"]):
        kept = processed(animals, "fox #fox", SimilarityPostprocessor(similarity_cutoff=1.0), kinds=kinds)
        assert [node.text.endswith(": fox #fox") for node in kept] == [True]


def test_a_reordering_by_score_has_scores_to_go_by(teas):
    found = MemoryOSRetriever(memory=teas, similarity_top_k=5).retrieve("Is tea 7 good?")

    reordered = processed(teas, "Is tea 7 good?", LongContextReorder(), similarity_top_k=5)

    assert reordered == [found[place] for place in (0, 2, 4, 3, 1)]


def test_what_was_said_can_take_the_place_of_the_text(teas):
    kept = processed(teas, "Is tea 7 good?", MetadataReplacementPostProcessor("user_input"), similarity_top_k=1)

    assert [node.text for node in kept] == ["Tea 7 is good."]


def test_time_counts_where_a_postprocessor_weighs_it(teas):
    """All twelve fit alike but for their time; a postprocessor's default names find it."""
    weighing = TimeWeightedPostprocessor(time_decay=0.1, top_k=12, now=teas.system.clock().timestamp())

    kept = processed(teas, "tea", weighing, similarity_top_k=12)

    assert inputs(kept)[:3] == ["Tea 11 is good.", "Tea 10 is good.", "Tea 9 is good."]


# -- retrievers of retrievers -----------------------------------------------------------------


@pytest.mark.parametrize("mode", ["simple", "reciprocal_rerank", "relative_score", "dist_based_score"])
@pytest.mark.parametrize("use_async", [False, True])
async def test_fusion_takes_a_page_found_by_several_queries_for_one(teas, mode, use_async):
    """Called from a running loop, as in a notebook; without one LlamaIndex leaves a loop open, which is a warning."""
    fusion = QueryFusionRetriever(
        [MemoryOSRetriever(memory=teas, similarity_top_k=12)],
        llm=RecordingLLM(["Is tea 3 good?\nIs tea 5 good?"]),
        mode=mode,
        num_queries=3,
        similarity_top_k=12,
        use_async=use_async,
    )

    found = fusion.retrieve("Is tea 7 good?")

    assert sorted(inputs(found)) == sorted(f"Tea {number} is good." for number in range(12))
    if mode == "reciprocal_rerank":  # which adds 1 / (60 + rank) for each query
        assert all(node.score >= 3 / (60 + 11) for node in found)


async def test_fusion_of_two_searches_asks_the_memory_of_the_call(two):
    retrievers = [two, two.asking(kinds=["page"])]
    fusion = QueryFusionRetriever(retrievers, llm=MockLLM(), num_queries=1)

    async def awaited(user_id: str) -> list[str]:
        with tagged(user_id):
            return inputs(await fusion.aretrieve("colour"))

    assert await asyncio.gather(*map(awaited, USERS)) == [[SAID["ann"]], [SAID["bob"]]]


@pytest.mark.newest
async def test_fusion_that_works_in_a_thread_of_its_own_asks_the_memory_of_the_call(two):
    """Called without await from a running loop. Older versions leave the tags behind, and nobody is named then."""
    fusion = QueryFusionRetriever([two, two.asking(kinds=["page"])], llm=MockLLM(), num_queries=1)

    with tagged("bob"):
        assert inputs(fusion.retrieve("colour")) == [SAID["bob"]]


def test_nodes_can_be_kept_in_a_document_store(teas):
    found = MemoryOSRetriever(memory=teas, similarity_top_k=3).retrieve("Is tea 7 good?")
    store = SimpleDocumentStore()

    store.add_documents([node.node for node in found])

    assert [store.get_document(node.id_).get_content() for node in found] == [node.text for node in found]


# -- chat engines -------------------------------------------------------------------------


def context_chat(retriever: BaseRetriever, llm: Any) -> ContextChatEngine:
    return ContextChatEngine.from_defaults(retriever, llm=llm, memory=ChatMemoryBuffer.from_defaults())


async def test_a_chat_engine_with_a_context_answers_from_memory(two):
    llm = RecordingLLM(echo)
    answers = []
    for user_id in USERS:
        engine = context_chat(two, llm)
        with tagged(user_id):
            answers += [engine.chat("Which colour?"), await engine.achat("Which colour?")]

    assert [str(answer) for answer in answers] == ["red", "red", "blue", "blue"]
    assert [inputs(answer.source_nodes) for answer in answers] == [[SAID["ann"]]] * 2 + [[SAID["bob"]]] * 2


async def test_a_chat_engine_with_a_context_streams(two):
    engine = context_chat(two, RecordingLLM(echo))

    with tagged("ann"):
        response = engine.stream_chat("Which colour?")
        streamed = "".join(response.response_gen)
        later = await engine.astream_chat("Which colour?")
        pieces = [piece async for piece in later.async_response_gen()]

    assert (streamed, "".join(pieces)) == ("red", "red")
    assert inputs(response.source_nodes) == inputs(later.source_nodes) == [SAID["ann"]]


def test_a_chat_engine_that_condenses_asks_memory_with_the_condensed_question(two):
    llm = RecordingLLM(echo)
    engine = CondensePlusContextChatEngine.from_defaults(two, llm=llm, memory=ChatMemoryBuffer.from_defaults())

    with tagged("bob"):
        answers = [str(engine.chat("Which colour?")), str(engine.chat("Which colour, once more?"))]

    assert answers == ["blue", "blue"]


# -- tools and agents ------------------------------------------------------------------------


async def test_a_retriever_tool_hands_over_texts_without_metadata(two):
    tool = RetrieverTool.from_defaults(two, name="past", description="What was said.")

    with tagged("ann"):
        outputs = [tool.call("colour"), await tool.acall(input="colour")]

    for output in outputs:
        assert output.content == "2024-03-01 Fri 12:00\nUser: My colour is red.\n\n"
        assert inputs(output.raw_output) == [SAID["ann"]]


async def test_a_query_engine_tool_answers_from_memory(two):
    tool = QueryEngineTool.from_defaults(query_engine(two, RecordingLLM(echo)), name="past", description="What was.")

    with tagged("bob"):
        outputs = [tool.call("Which colour?"), await tool.acall("Which colour?")]

    assert [output.content for output in outputs] == ["blue", "blue"]


async def test_an_agent_with_a_memory_tool_is_answered_for_the_user_of_its_run(two):
    tool = RetrieverTool.from_defaults(two, name="past", description="What was said.")

    async def run(user_id: str) -> tuple[str, str]:
        llm = RecordingLLM([calling("past", input="colour"), "Done."])
        with tagged(user_id):
            answer = await FunctionAgent(tools=[tool], llm=llm).run("Which colour do I like?")
        return str(answer), llm.heard[-1]

    (ann, ann_read), (bob, bob_read) = await asyncio.gather(*map(run, USERS))

    assert (ann, bob) == ("Done.", "Done.")
    assert ("is red" in ann_read, "is blue" in ann_read) == (True, False)
    assert ("is red" in bob_read, "is blue" in bob_read) == (False, True)
