"""langchain-openai's own classes against a server on loopback: what the engine sends, reads and counts through them."""

from __future__ import annotations

from typing import ClassVar

import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from memoryos_integrations.langchain.chat_model import LangChainChatModel
from memoryos_integrations.langchain.embedder import LangChainEmbedder
from tests.openai_service import MODEL, OpenAIClasses


class TestLangChain(OpenAIClasses):
    """Those of langchain-openai."""

    tried = ("json_schema", "json_schema")  # strict, and not
    counting: ClassVar = {"stream_usage": True}

    @pytest.fixture
    def connect(self, server):
        def connecting(**options):
            model = ChatOpenAI(model=MODEL, base_url=server.url, api_key="sk-hunter2", max_retries=0, **options)
            return LangChainChatModel(model)

        return connecting

    @pytest.fixture
    def embedder(self, server):
        options = {"model": "e", "dimensions": 16, "check_embedding_ctx_length": False}
        return LangChainEmbedder(OpenAIEmbeddings(base_url=server.url, api_key="sk-hunter2", **options))
