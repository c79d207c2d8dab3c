"""Each notebook of the folder `notebooks`: what is saved is what everybody can see, and what a fresh kernel says."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from .checking import flaws
from .comparing import said
from .executing import cleaned, executed, notebooks, read, text_of

LARGEST = 1_500_000
"""Bytes of a file; what is larger, GitHub does not show."""

each_notebook = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)


@each_notebook
def test_a_saved_notebook_shows_everything_to_everybody(path: Path) -> None:
    notebook = read(path)

    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert flaws(notebook) == []
    assert path.stat().st_size < LARGEST


@each_notebook
def test_a_saved_notebook_is_as_the_command_writes_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert text_of(cleaned(read(path))) == text


@each_notebook
async def test_a_fresh_kernel_says_what_is_saved(path: Path) -> None:
    notebook = read(path)

    assert said(await executed(notebook)) == said(notebook)
