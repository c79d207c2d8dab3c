"""`memoryos evaluate ...`: figures that anyone can make again."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Measure retrieval, languages and speed.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


class Retrieval(str, Enum):
    """How pages are ranked."""

    HIERARCHICAL = "hierarchical"
    TWO_STAGE = "two_stage"


EmbedderOption = Annotated[str, typer.Option("--embedder", help="hashing, minilm, or another embedder's name.")]
RetrievalOption = Annotated[Retrieval, typer.Option("--retrieval", help="two_stage is the paper's own.")]


@app.command()
def locomo(
    file: Annotated[Path, typer.Argument(help="A LoCoMo file.")],
    embedder: EmbedderOption = "hashing",
    retrieval: RetrievalOption = Retrieval.HIERARCHICAL,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many conversations.")] = None,
) -> None:
    """Measure how much of LoCoMo's evidence is found."""
    from memoryos_engine.embedding.by_name import embedder_by_name
    from memoryos_engine.evaluation.locomo import load_locomo
    from memoryos_engine.evaluation.locomo_report import measure_all, show_locomo
    from memoryos_engine.terminal import console, progress

    conversations = load_locomo(file)[:limit]
    chosen = embedder_by_name(embedder)
    with progress() as bars:
        results = measure_all(conversations, embedder=chosen, retrieval=retrieval.value, bars=bars)
    show_locomo(results, embedder=chosen, retrieval=retrieval.value, screen=console())


@app.command()
def dialogues(
    path: Annotated[Path, typer.Argument(help="A dialogue file or a folder of them.")],
    embedder: EmbedderOption = "hashing",
    retrieval: RetrievalOption = Retrieval.HIERARCHICAL,
    strict: Annotated[
        float | None, typer.Option("--strict", min=0, max=1, help="Status 1 if a file's first-page hit rate is lower.")
    ] = None,
) -> None:
    """Measure whether the right page comes first, in any language."""
    from memoryos_engine.embedding.by_name import embedder_by_name
    from memoryos_engine.evaluation.dialogues import load_dialogues, measure_dialogues, show_dialogues
    from memoryos_engine.terminal import console, progress

    loaded, chosen = load_dialogues(path), embedder_by_name(embedder)
    with progress() as bars:
        results = measure_dialogues(loaded, embedder=chosen, retrieval=retrieval.value, bars=bars)
    show_dialogues(results, screen=console())
    if strict is not None and any(result.first_page_hits < strict for result in results):
        raise typer.Exit(1)


@app.command()
def speed(
    pages: Annotated[int | None, typer.Option("--pages", min=200, help="Pages of the large user.")] = None,
    others: Annotated[int | None, typer.Option("--others", min=1000, help="Pages of other users.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of everything.")] = False,
) -> None:
    """Measure speed beside Chroma's own calls.

    Ten minutes or so; with --quick, one.
    """
    import tempfile
    from dataclasses import replace

    from memoryos_engine.evaluation.speed import QUICK, SpeedPlan, import_seconds, measure_speed, show_speed
    from memoryos_engine.terminal import console, progress

    plan = QUICK if quick else SpeedPlan()
    plan = replace(plan, pages=pages or plan.pages, others=others or plan.others)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, progress() as bars:
        comparisons = measure_speed(plan, folder=Path(folder), bars=bars)
    show_speed(comparisons, import_time=import_seconds(), screen=console())
