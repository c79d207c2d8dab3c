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
ModelOption = Annotated[
    str, typer.Option("--llm", help="stand-in, or a model of OpenAI's or of the server at OPENAI_BASE_URL.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many conversations.")]
RetrievalOption = Annotated[Retrieval, typer.Option("--retrieval", help="two_stage is the paper's own.")]


@app.command()
def locomo(
    file: Annotated[Path, typer.Argument(help="A LoCoMo file.")],
    embedder: EmbedderOption = "hashing",
    retrieval: RetrievalOption = Retrieval.HIERARCHICAL,
    limit: LimitOption = None,
    llm: Annotated[str | None, typer.Option("--llm", help="Read pages with a model: stand-in, or its name.")] = None,
) -> None:
    """Measure how much of LoCoMo's evidence is found."""
    from memoryos_engine.embedding.by_name import embedder_by_name
    from memoryos_engine.evaluation.locomo import load_locomo
    from memoryos_engine.evaluation.locomo_report import measure_all, show_locomo
    from memoryos_engine.evaluation.models import model_by_name
    from memoryos_engine.terminal import console, progress

    conversations = load_locomo(file)[:limit]
    chosen, model = embedder_by_name(embedder), model_by_name(llm) if llm else None
    with progress() as bars:
        results = measure_all(conversations, embedder=chosen, retrieval=retrieval.value, model=model, bars=bars)
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
def cost(
    file: Annotated[Path, typer.Argument(help="A LoCoMo file.")],
    limit: LimitOption = 1,
    llm: ModelOption = "stand-in",
) -> None:
    """Count the calls and tokens of a language model for each turn."""
    from memoryos_engine.evaluation.cost import measure_cost, show_cost, steps_of
    from memoryos_engine.evaluation.locomo import load_locomo
    from memoryos_engine.evaluation.locomo_report import counter_name
    from memoryos_engine.evaluation.models import model_by_name
    from memoryos_engine.terminal import console, progress

    conversations, model = load_locomo(file)[:limit], model_by_name(llm)
    with progress() as bars:
        task = bars.add_task("turns", total=sum(map(steps_of, conversations)))
        costs = [measure_cost(each, model=model, step=lambda: bars.advance(task)) for each in conversations]
    show_cost(costs, model=model.name, counter=counter_name(), screen=console())


@app.command()
def background(
    latency: Annotated[float, typer.Option("--latency", min=0.0, help="Seconds a call of the model takes.")] = 0.5,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Blocks of turns for each side.")] = 6,
) -> None:
    """Measure what a slow model does to adding, and whether eight users lose anything."""
    import tempfile

    from memoryos_engine.evaluation.background import ADDS, measure_background, show_background
    from memoryos_engine.terminal import console, progress

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, progress() as bars:
        task = bars.add_task("turns", total=2 * rounds * ADDS)
        result = measure_background(Path(folder), latency=latency, rounds=rounds, step=lambda: bars.advance(task))
    show_background(result, screen=console())


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
