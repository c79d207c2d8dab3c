"""A memory whose model and embedder are LlamaIndex's, end to end: answers, streams and the background."""

from __future__ import annotations

from threading import Event, current_thread

import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.instrumentation.dispatcher import instrument_tags

from memoryos_integrations.llama_index.chat_model import LlamaIndexChatModel
from memoryos_integrations.llama_index.embedder import LlamaIndexEmbedder
from tests.llama_index.speaking import (
    Completer,
    Speaker,
    Streamer,
    ToolCaller,
    calling_in,
    listening,
    saying,
    saying_of,
    standing_in,
    text,
    thought,
)
from tests.models_in_engine import ModelsInEngine
from tests.one_topic import SENTENCE, love, say

TIMEOUT = 10.0


def thinking(messages, options):
    return [thought("{}"), text(standing_in(messages, options))]


MODELS = {
    "words alone": Speaker(respond=standing_in),
    "a tool": ToolCaller(respond=calling_in),
    "thinks in blocks": Speaker(respond=thinking),
    "thinks aloud": Speaker(respond=lambda messages, options: f"<think>{{}}</think>{standing_in(messages, options)}"),
    "takes tools and ignores them": ToolCaller(respond=standing_in),
}


class TestLlamaIndex(ModelsInEngine):
    """Those of LlamaIndex."""

    standing_in = staticmethod(standing_in)
    refusal = saying_of("No.", raw={"stop_reason": "refusal"})

    def chat_model(self, model):
        return LlamaIndexChatModel(model)

    def embedder(self):
        return LlamaIndexEmbedder(MockEmbedding(embed_dim=16), name="mock-16")

    def speaking(self, *answers):
        return Speaker(respond=saying(*answers))

    def streaming(self, chunks):
        return Streamer(chunks=chunks)

    @pytest.mark.parametrize("llm", MODELS.values(), ids=MODELS)
    def test_every_kind_of_model_gives_the_memory_that_the_engines_own_gives(self, open_memory, expected, llm):
        self.check_kind(open_memory(llm), expected)

    def test_a_model_that_only_completes_answers_from_memory(self, open_memory):
        model = Completer(answer="Your canoe is number 3.")
        memory = open_memory(model, model_delay=3600.0)
        say(memory, 3)

        assert memory.get_response("Which canoe do I love?") == "Your canoe is number 3."
        (prompt,) = model.prompts
        assert (love(3)[0] in prompt, prompt.endswith("user: Which canoe do I love?\nassistant: ")) == (True, True)

    def test_the_background_asks_in_its_own_threads_and_with_no_tags(self, open_memory):
        """Its pages may be of another user than the one whose call it is; only the answer belongs to that."""
        threads, asked = [], Event()

        def respond(messages, options):
            threads.append(current_thread().name)
            if len(threads) == 2:
                asked.set()
            return standing_in(messages, options)

        memory = open_memory(Speaker(respond=respond), consolidation_delay=0.0, short_term_capacity=2)
        with listening() as heard, instrument_tags({"user_id": "tom"}):
            say(memory, 1)
            assert memory.get_response("Which canoe?") == SENTENCE
            assert asked.wait(TIMEOUT)
            memory.flush()

        assert [query for query, tags in heard.calls if tags] == ["Which canoe?"]
        assert current_thread().name in threads
        assert any(name.startswith("memoryos") for name in threads)
