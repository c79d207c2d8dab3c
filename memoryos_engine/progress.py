"""Progress bars: tqdm's, of the kind that suits where it runs, loaded only when one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def bar(title: str, unit: str, total: int | None, *, shown: bool) -> Iterator[Callable[[int], object]]:
    """Give a function that moves a bar by so many units; without a bar it moves nothing."""
    if not shown:
        yield lambda count: None  # noqa: ARG005
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=title, unit=unit) as moving:
        yield moving.update


def bar_over(things: Iterable[T], title: str, unit: str) -> Iterable[T]:
    """Return `things`, with a bar that moves as they are taken."""
    from tqdm.auto import tqdm

    shown: Iterable[T] = tqdm(things, desc=title, unit=unit)
    return shown
