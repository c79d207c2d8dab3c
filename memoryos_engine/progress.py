"""Progress bars: tqdm's, of the kind that suits where it runs, loaded only when one is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

T = TypeVar("T")


def bar(title: str, unit: str, total: int) -> AbstractContextManager[Any]:
    """Return a bar to be moved by its `update(count)`."""
    from tqdm.auto import tqdm

    shown: AbstractContextManager[Any] = tqdm(total=total, desc=title, unit=unit)
    return shown


def bar_over(things: Iterable[T], title: str, unit: str) -> Iterable[T]:
    """Return `things`, with a bar that moves as they are taken."""
    from tqdm.auto import tqdm

    shown: Iterable[T] = tqdm(things, desc=title, unit=unit)
    return shown
