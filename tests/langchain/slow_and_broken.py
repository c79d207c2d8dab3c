"""Embedders that fail or take their time when a test wants them to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from memoryos_engine import HashingEmbedder


class TroubledEmbedder(HashingEmbedder):
    """Fails while there is an error to raise."""

    error: Exception | None = None

    def embed(self, texts):
        if self.error is not None:
            raise self.error
        return super().embed(texts)


class WaitingForTheLoop(HashingEmbedder):
    """Has begun, and goes on when the event loop has noticed; on the loop itself it would wait in vain."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.noticed = threading.Event(), threading.Event()

    def embed(self, texts):
        self.begun.set()
        assert self.noticed.wait(timeout=5), "the event loop stood still"
        self.begun.clear()
        self.noticed.clear()
        return super().embed(texts)

    async def beside(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await work with the loop going on."""
        task = asyncio.ensure_future(work)
        while not task.done():
            if self.begun.is_set():
                self.noticed.set()
            await asyncio.sleep(0)
        return await task
