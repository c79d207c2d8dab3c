"""What the tests of the server share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from .servers import MODES


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """How the client chooses the protocol: the previous one and the current one."""
    return request.param


@pytest.fixture(autouse=True)
def root_logging() -> Iterator[None]:
    """The SDK gives the root logger a handler; none of another test's."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
