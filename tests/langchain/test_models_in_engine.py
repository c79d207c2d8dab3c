"""A memory whose model and embedder are LangChain's, end to end: answers, streams and the background."""

from __future__ import annotations

import json
from threading import Event, current_thread

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from memoryos_integrations.langchain.chat_model import LangChainChatModel
from memoryos_integrations.langchain.embedder import LangChainEmbedder
from tests.langchain.speaking import Heard, Speaker, Streamer, ToolCaller, calling, saying, standing_in
from tests.models_in_engine import ModelsInEngine
from tests.one_topic import SENTENCE, say

TIMEOUT = 10.0


def in_a_call(messages, options):
    """The stand-in's JSON, as a call of the tool where there is one."""
    answer = standing_in(messages, options)
    return calling(json.loads(answer)) if options.get("tools") else answer


def thinking(messages, options):
    return AIMessage([{"type": "thinking", "thinking": "{}"}, {"type": "text", "text": standing_in(messages, options)}])


MODELS = {
    "words alone": Speaker(respond=standing_in),
    "a tool": ToolCaller(respond=in_a_call),
    "thinks in blocks": Speaker(respond=thinking),
    "takes tools and ignores them": ToolCaller(respond=standing_in),
}


class TestLangChain(ModelsInEngine):
    """Those of LangChain."""

    standing_in = staticmethod(standing_in)
    refusal = AIMessage("", response_metadata={"stop_reason": "refusal"})

    def chat_model(self, model):
        return LangChainChatModel(model)

    def embedder(self):
        return LangChainEmbedder(DeterministicFakeEmbedding(size=16), name="fake-16")

    def speaking(self, *answers):
        return Speaker(respond=saying(*answers))

    def streaming(self, chunks):
        return Streamer(chunks=chunks)

    @pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
    def test_every_kind_of_model_gives_the_memory_that_the_engines_own_gives(self, open_memory, expected, model):
        self.check_kind(open_memory(model), expected)

    def test_the_background_asks_in_its_own_threads_and_tells_no_chain(self, open_memory):
        """Its pages may be of another user than the one whose chain runs; only the answer belongs to the chain."""
        threads, asked = [], Event()

        def respond(messages, options):
            threads.append(current_thread().name)
            if len(threads) == 2:
                asked.set()
            return standing_in(messages, options)

        heard = Heard()
        model = Speaker(respond=respond)
        memory = open_memory(model, consolidation_delay=0.0, short_term_capacity=2)

        def turn(query):
            say(memory, 1)
            answer = memory.get_response(query)
            assert asked.wait(TIMEOUT)
            memory.flush()
            return answer

        assert RunnableLambda(turn).invoke("Which canoe?", {"callbacks": [heard]}) == SENTENCE
        assert heard.calls == [("Which canoe?", True)]
        assert current_thread().name in threads
        assert any(name.startswith("memoryos") for name in threads)
