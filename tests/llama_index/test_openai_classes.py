"""LlamaIndex's OpenAI classes against a server on loopback: what the engine sends, reads and counts through them."""

from __future__ import annotations

from typing import ClassVar

import pytest
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI, OpenAIResponses

from memoryos_engine import ChatModelError
from memoryos_engine.errors import ReplyRefused
from memoryos_integrations.llama_index.chat_model import LlamaIndexChatModel
from memoryos_integrations.llama_index.embedder import LlamaIndexEmbedder
from tests.loopback import Said
from tests.openai_service import ASKED, MODEL, SCHEMA, OpenAIClasses


class TestLlamaIndex(OpenAIClasses):
    """Those of llama-index-llms-openai and llama-index-embeddings-openai."""

    counting: ClassVar = {"additional_kwargs": {"stream_options": {"include_usage": True}}}

    @pytest.fixture
    def connect(self, server):
        def connecting(**options):
            options = {"model": MODEL, "max_retries": 0, **options}
            return LlamaIndexChatModel(OpenAI(api_base=server.url, api_key="sk-hunter2", **options))

        return connecting

    @pytest.fixture
    def embedder(self, server):
        options = {"model_name": "e", "dimensions": 16, "max_retries": 1}
        return LlamaIndexEmbedder(OpenAIEmbedding(api_base=server.url, api_key="sk-hunter2", **options))

    def test_a_refusal_is_one_in_a_stream_too(self, model, server):
        server.replies.append(Said(text=None, refusal="no"))
        with pytest.raises(ReplyRefused):
            list(model.stream(ASKED))

    def test_a_class_made_from_openais_is_held_to_json_as_it_is(self, server):
        class Elsewhere(OpenAI):
            """As the classes for servers that speak its protocol are made."""

        server.replies.append('{"a": "b"}')
        llm = Elsewhere(model=MODEL, api_base=server.url, api_key="sk-hunter2", max_retries=0)

        assert LlamaIndexChatModel(llm).complete_json(ASKED, SCHEMA) == '{"a": "b"}'
        assert server.formats_asked() == ["json_schema"]

    def test_a_class_for_openais_responses_calls_a_function(self, server):
        """It takes no response format; what it asks for is a tool."""
        llm = OpenAIResponses(model=MODEL, api_base=server.url, api_key="sk-hunter2", max_retries=0)
        with pytest.raises(ChatModelError):  # the server speaks chat completions alone
            LlamaIndexChatModel(llm).complete_json(ASKED, SCHEMA)

        assert [tool["name"] for tool in server.requests[0]["tools"]] == ["facts"]

    def test_a_model_that_llamaindex_does_not_list_is_an_error_that_says_so(self, connect):
        """Its class knows only OpenAI's names; LlamaIndex has another class for other servers."""
        model = connect(model="mine")
        assert model.name == "mine"
        with pytest.raises(ChatModelError, match=r"'mine' did not answer \(ValueError\)\. Check the network, and how"):
            model.complete(ASKED)
