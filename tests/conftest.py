"""What every test shares: a store on disk, a clock that stands still, and no network."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memoryos_engine import ManualClock, MemoryOS, MemorySettings

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail any test that reaches for another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2024-03-01T12:00:00+00:00")


@pytest.fixture
def open_system(tmp_path: Path, clock: ManualClock) -> Iterator[Callable[..., MemoryOS]]:
    """Open systems on one path; `settings` as keywords. Background work waits for flush()."""
    opened: list[MemoryOS] = []

    def opening(*, path: Path | None = None, **options: Any) -> MemoryOS:
        parts = {key: options.pop(key) for key in ("llm", "embedder", "analyst", "client") if key in options}
        settings = MemorySettings(**{"consolidation_delay": 3600.0, **options})
        where = {} if "client" in parts else {"path": path or tmp_path / "store"}
        system = MemoryOS(**where, settings=settings, clock=clock, **parts)
        opened.append(system)
        return system

    yield opening
    for system in opened:
        system.close()


@pytest.fixture
def system(open_system: Callable[..., MemoryOS]) -> MemoryOS:
    return open_system()
