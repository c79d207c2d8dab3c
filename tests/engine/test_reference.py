"""Memoryos: the memory behind the constructor of the seed document, and answering with a model."""

from __future__ import annotations

import inspect
import logging

import pytest

from memoryos_engine import (
    ChatModelError,
    EmbeddingError,
    InvalidInput,
    Memoryos,
    MemoryOSError,
    OpenAIChatModel,
    ScriptedChatModel,
)
from memoryos_engine.reference import PLACEHOLDERS

TURN = (
    "سلام! من تام هستم، به عنوان دانشمند داده در سانفرانسیسکو کار میکنم.",
    "سلام تام! خوشبختم. علوم داده حوزه بسیار هیجانانگیزی است. با چه نوع دادهای کار میکنی؟",
)
QUESTION = "در مورد شغل من چه چیزی را به یاد داری؟"
PLACEHOLDER = "YOUR_OPENAI_API_KEY"


@pytest.fixture
def open_seed(tmp_path, monkeypatch):
    """Open Memoryos as the seed document does; no key in the environment."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    opened = []

    def opening(**options) -> Memoryos:
        known = {"user_id": "demo_user", "assistant_id": "demo_assistant", "data_storage_path": tmp_path / "store"}
        opened.append(Memoryos(**{**known, **options}))
        return opened[-1]

    yield opening
    for each in opened:
        each.close()


def test_the_constructor_has_the_names_of_the_seed_document_and_no_others():
    """The seed example runs unchanged but for the import line; what is accepted is used."""
    names = (
        "user_id openai_api_key openai_base_url data_storage_path llm_model assistant_id short_term_capacity "
        "mid_term_capacity mid_term_heat_threshold mid_term_similarity_threshold retrieval_queue_capacity "
        "long_term_knowledge_capacity embedding_model_name"
    )
    assert list(inspect.signature(Memoryos).parameters) == names.split()


def test_every_parameter_reaches_the_engine(open_seed, tmp_path):
    """Our decision: nothing is accepted and ignored."""
    seed = open_seed(
        openai_api_key="sk-test",
        openai_base_url="http://127.0.0.1:9/v1",
        llm_model="some-model",
        short_term_capacity=3,
        mid_term_capacity=11,
        mid_term_heat_threshold=4.5,
        mid_term_similarity_threshold=0.25,
        retrieval_queue_capacity=2,
        long_term_knowledge_capacity=13,
        embedding_model_name="hashing",
    )
    settings = seed.system.settings
    assert (seed.memory.owner.user_id, seed.memory.owner.assistant_id) == ("demo_user", "demo_assistant")
    assert (settings.short_term_capacity, settings.mid_term_capacity, settings.knowledge_capacity) == (3, 11, 13)
    assert (settings.heat_threshold, settings.similarity_threshold) == (4.5, 0.25)
    assert (seed.system.llm.name, str(seed.system.llm._client.base_url)) == ("some-model", "http://127.0.0.1:9/v1/")
    assert seed.system.embedder.name.startswith("hashing")
    assert (tmp_path / "store" / "chroma.sqlite3").exists()
    for number in range(6):
        seed.add_memory(f"note {number}", "ok")
    assert len(seed.retrieve_memory("note").pages) == 2


@pytest.mark.parametrize("name", ["relationship_with_user", "style_hint", "recency_tau_search"])
def test_a_parameter_that_nothing_would_use_is_refused(open_seed, name):
    """Our decision: an argument without an effect is an error, not a silence."""
    with pytest.raises(TypeError, match=name):
        open_seed(**{name: "x"})
    with pytest.raises(TypeError, match="recency_tau_search"):
        open_seed().get_response("hello", recency_tau_search=1)


def test_the_hints_of_the_references_method_reach_the_model_and_the_page(open_seed):
    """The reference's names in the reference's order; there they were accepted and ignored."""
    seed = open_seed()
    seed.system.llm = llm = ScriptedChatModel(["خوبم!"])
    assert seed.get_response("چطوری؟", "friend", "warm", {"channel": "phone"}) == "خوبم!"
    hints = 'What you are to the user: friend\nHow to answer: warm\nAbout this conversation: {"channel": "phone"}\n'
    (page,) = seed.memory.pages()
    assert hints in llm.requests[0][0].content
    assert (page.user_input, page.agent_response, dict(page.metadata)) == ("چطوری؟", "خوبم!", {"channel": "phone"})
    names = ["self", "query", "relationship_with_user", "style_hint", "user_conversation_meta_data"]
    assert list(inspect.signature(Memoryos.get_response).parameters) == names


@pytest.mark.parametrize(
    ("name", "value"),
    [("relationship_with_user", 5), ("style_hint", "x" * 2001), ("user_conversation_meta_data", {"user_id": "eve"})],
    ids=repr,
)
def test_an_unusable_hint_is_named_as_the_caller_wrote_it(open_seed, name, value):
    """Errors name the parameter of the method that was called."""
    with pytest.raises(InvalidInput) as caught:
        open_seed().get_response("hello", **{name: value})
    assert (caught.value.parameter, str(caught.value).startswith(name)) == (name, True)


@pytest.mark.parametrize("question", [QUESTION, "What do you remember about my job?"])
def test_the_seed_example_answers_offline(open_seed, question):
    """The seed document, end to end, without a key: asked in either language, it quotes the page about the job."""
    seed = open_seed(
        openai_api_key=PLACEHOLDER,
        openai_base_url="",
        llm_model="gpt-4o-mini",
        short_term_capacity=7,
        mid_term_heat_threshold=5,
        retrieval_queue_capacity=7,
        long_term_knowledge_capacity=100,
    )
    page = seed.add_memory(user_input=TURN[0], agent_response=TURN[1])
    answer = seed.get_response(query=question)
    assert TURN[0] in answer
    assert TURN[1] in answer
    assert answer.startswith("[no language model is configured")
    assert seed.memory.pages() == [page]


@pytest.mark.parametrize("question", [QUESTION, "What do you remember about my job?"])
def test_the_seed_example_is_found_when_it_left_short_term_memory(open_seed, question):
    """The same page, after eight others and in mid-term memory."""
    seed = open_seed(openai_api_key=PLACEHOLDER, retrieval_queue_capacity=7)
    seed.add_memory(*TURN)
    for number in range(8):
        seed.add_memory(f"امروز هوا خوب است {number}", "بله، آفتابی است.")
    seed.flush()
    assert TURN in [(page.user_input, page.agent_response) for page in seed.retrieve_memory(question).pages]


def test_the_persian_question_brings_the_page_back_first(open_seed):
    """In the language it was said in, among small talk, the job comes first."""
    seed = open_seed(openai_api_key=PLACEHOLDER)
    seed.add_memory(*TURN)
    for number in range(8):
        seed.add_memory(f"امروز هوا خوب است {number}", "بله، آفتابی است.")
    seed.flush()
    assert seed.retrieve_memory("تام در سانفرانسیسکو چه کار میکند؟").pages[0].user_input == TURN[0]


@pytest.mark.parametrize("key", [None, "", *sorted(PLACEHOLDERS)], ids=repr)
def test_without_a_real_key_there_is_no_model(open_seed, key):
    """No model is a mode, not an error."""
    seed = open_seed(openai_api_key=key, openai_base_url="")
    assert seed.system.llm is None
    assert seed.get_response("hello") == "[no language model is configured] Nothing is remembered yet."


def test_the_placeholder_is_said_to_be_one_and_a_missing_key_is_not(open_seed, caplog):
    """A forgotten key is a mistake; no key is a choice."""
    with caplog.at_level(logging.WARNING):
        open_seed(openai_api_key=PLACEHOLDER).close()
        assert ["placeholder" in record.message for record in caplog.records] == [True]
        caplog.clear()
        open_seed().close()
        assert caplog.records == []


@pytest.mark.parametrize("base_url", [None, ""])
def test_an_empty_address_means_openais_own(open_seed, monkeypatch, base_url):
    """The seed document passes BASE_URL = "" and means the default."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    llm = open_seed(openai_api_key="sk-test", openai_base_url=base_url).system.llm
    assert isinstance(llm, OpenAIChatModel)
    assert str(llm._client.base_url) == "https://api.openai.com/v1/"


def test_metadata_and_timestamp_of_the_seeds_method_are_kept(open_seed):
    """`meta_data` and `timestamp` are the seed's names."""
    page = open_seed().add_memory("x", "y", "2015-05-04T10:00:00Z", {"topic": "work"})
    assert (page.timestamp.year, dict(page.metadata)) == (2015, {"topic": "work"})


def test_the_profile_summary_is_text(open_seed):
    """One line per field or trait; empty when nothing is known."""
    seed = open_seed(mid_term_heat_threshold=0, short_term_capacity=1)
    assert seed.get_user_profile_summary() == ""
    seed.add_memory("My name is Tom.", "Hello Tom!")
    seed.flush()
    assert seed.get_user_profile_summary().splitlines()[0] == "name: Tom"


def test_a_seed_memory_is_there_after_a_restart(open_seed):
    """It is the same store as MemoryOS."""
    first = open_seed()
    page = first.add_memory(*TURN)
    first.close()
    assert open_seed().memory.pages() == [page]


# -- answering with a model -----------------------------------------------------------------


def test_an_answer_of_the_model_is_returned_and_remembered(open_system):
    """§3.5: retrieve, ask, remember; the model is given memory and the question."""
    llm = ScriptedChatModel(["You are a data scientist."])
    memory = open_system(llm=llm).memory("tom")
    memory.add_memory("I am a data scientist.", "Nice!")
    assert memory.get_response("What do I do?") == "You are a data scientist."
    turns = [(page.user_input, page.agent_response) for page in memory.pages()]
    assert turns == [("I am a data scientist.", "Nice!"), ("What do I do?", "You are a data scientist.")]
    ((system, user),) = llm.requests
    assert (system.role, user.role, user.content) == ("system", "user", "What do I do?")
    assert "I am a data scientist." in system.content


@pytest.mark.parametrize("error", [ChatModelError("no answer"), RuntimeError("the client broke")], ids=repr)
def test_a_model_that_fails_leaves_nothing_behind(open_system, error):
    """Invariant 3: neither the question nor an error text becomes memory."""
    memory = open_system(llm=ScriptedChatModel([error])).memory("tom")
    page = memory.add_memory("hello", "hi")
    with pytest.raises(type(error)):
        memory.get_response("What do I do?")
    assert memory.pages() == [page]


@pytest.mark.parametrize("answer", [None, "", "   ", 5, {"content": "hi"}, "half a smile \ud83d"], ids=repr)
def test_what_is_no_answer_is_a_failure_of_the_model(open_system, answer):
    """Invariant 3: it is the model's fault, not the caller's, and nothing is remembered."""

    class Odd:
        name = "odd"

        def complete(self, messages):
            return answer

    memory = open_system(llm=Odd()).memory("tom")
    page = memory.add_memory("hello", "hi")
    with pytest.raises(ChatModelError):
        memory.get_response("What do I do?")
    assert memory.pages() == [page]


def test_an_answer_without_a_model_is_not_remembered(open_system):
    """Our decision: nobody answered, and a quotation would be found for ever after."""
    memory = open_system().memory("tom")
    memory.add_memory("My boat is called Mirabelle.", "A fine name.")
    expected = (
        "[no language model is configured; quoting memory] 2024-03-01:\n"
        "User: My boat is called Mirabelle.\nAssistant: A fine name."
    )
    assert memory.get_response("What is my boat called?") == expected
    assert len(memory.pages()) == 1


def test_a_long_page_is_quoted_shortened(open_system):
    """Our decision: an offline answer is an answer, not a file."""
    memory = open_system().memory("tom")
    memory.add_memory("boat " * 1000)
    assert len(memory.get_response("boat")) < 800
    assert memory.get_response("boat").endswith("[...]")


def test_a_retrieval_that_fails_is_no_empty_memory(open_system, monkeypatch):
    """Our decision: failure and emptiness are different things."""
    memory = open_system(llm=ScriptedChatModel(["never asked"])).memory("tom")
    memory.add_memory("hello")

    def failing(texts):
        raise EmbeddingError("no vectors")

    monkeypatch.setattr(memory.system.embedder, "embed", failing)
    with pytest.raises(MemoryOSError):
        memory.get_response("hello?")
    assert memory.system.llm.requests == []
