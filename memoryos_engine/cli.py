"""The command `memoryos`: look at a memory, add to it, move it, measure it.

Whatever is heavy is imported inside the command that needs it, so that help is instant.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from memoryos_engine.care_commands import check, reindex, serve, stats, vacuum
from memoryos_engine.cli_errors import Commands
from memoryos_engine.cli_options import (
    DEFAULT_ASSISTANT,
    DEFAULT_EMBEDDER,
    DEFAULT_PATH,
    DEFAULT_SESSION,
    DEFAULT_USER,
    AssistantOption,
    EmbedderOption,
    PathOption,
    SessionOption,
    UserOption,
    YesOption,
    known,
    opened,
)
from memoryos_engine.evaluation.commands import app as evaluate_app
from memoryos_engine.terminal import console, stored
from memoryos_engine.transfer_commands import export_, import_

app = typer.Typer(
    name="memoryos",
    help="Long-term memory for chat, in three tiers on Chroma.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(evaluate_app, name="evaluate")


@app.command()
def demo(
    path: Annotated[Path | None, typer.Option("--path", help="Keep the memory here; else it is thrown away.")] = None,
) -> None:
    """Watch a memory fill, warm up, learn and answer."""
    from memoryos_engine.demo import run_demo

    run_demo(path, screen=console())


@app.command()
def add(
    user_input: Annotated[str, typer.Argument(help="What the user said.")],
    agent_response: Annotated[str, typer.Argument(help="What the agent answered.")] = "",
    user: UserOption = DEFAULT_USER,
    assistant: AssistantOption = DEFAULT_ASSISTANT,
    session: SessionOption = DEFAULT_SESSION,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
    timestamp: Annotated[str | None, typer.Option("--timestamp", help="When it was said, ISO 8601; else now.")] = None,
) -> None:
    """Remember one exchange."""
    with opened(path, embedder, new=True) as system, system.memory(user, assistant, session) as memory:
        page = memory.add_memory(user_input, agent_response, timestamp=timestamp)
        console().print(f"Remembered as {page.id}", soft_wrap=True)


@app.command()
def recall(
    query: Annotated[str, typer.Argument(help="A question or message, in any language.")],
    user: UserOption = DEFAULT_USER,
    assistant: AssistantOption = DEFAULT_ASSISTANT,
    session: SessionOption = DEFAULT_SESSION,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
    top_k: Annotated[int, typer.Option("--top-k", help="Most pages to show besides short-term memory.")] = 5,
    tokens: Annotated[int | None, typer.Option("--tokens", help="Print a prompt of at most so many tokens.")] = None,
) -> None:
    """Show what memory holds for a query. Looking counts no visit."""
    from memoryos_engine.recall_view import show_found, show_prompt

    with opened(path, embedder) as system:
        found = known(system, user, assistant, session).retrieve_memory(query, top_k=top_k, touch=False)
    if tokens is None:
        show_found(found, screen=console())
    else:
        show_prompt(found.to_prompt(tokens), screen=console())


@app.command()
def show(
    user: UserOption = DEFAULT_USER,
    assistant: AssistantOption = DEFAULT_ASSISTANT,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
) -> None:
    """Show the tiers of one user's memory as a tree."""
    from memoryos_engine.tier_view import memory_tree

    with opened(path, embedder) as system:
        console().print(memory_tree(known(system, user, assistant), system.settings))


@app.command()
def audit(
    user: UserOption = DEFAULT_USER,
    assistant: AssistantOption = DEFAULT_ASSISTANT,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
    since: Annotated[str | None, typer.Option("--since", help="Only from then on, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only before then, ISO 8601.")] = None,
) -> None:
    """List what happened to facts, profile and traits, without their text."""
    from memoryos_engine.audit_view import audit_table

    with opened(path, embedder) as system:
        events = known(system, user, assistant).audit(since=since, until=until)
    console().print(audit_table(events))


@app.command()
def users(path: PathOption = DEFAULT_PATH, embedder: EmbedderOption = DEFAULT_EMBEDDER) -> None:
    """List everyone who has a memory here."""
    from memoryos_engine.forgetting_commands import page_count
    from memoryos_engine.terminal import table

    with opened(path, embedder) as system:
        made = table("", ("user", "assistant", "pages"), left=("user", "assistant"))
        for owner in system.users():
            pages = page_count(system.memory(owner.user_id, owner.assistant_id))
            made.add_row(stored(owner.user_id), stored(owner.assistant_id), pages)
    console().print(made)


@app.command()
def forget(
    record_id: Annotated[str | None, typer.Argument(help="Id of a page or a knowledge entry.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="Every page of this session instead.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Every page from this time on, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Every page before this time, ISO 8601.")] = None,
    user: UserOption = DEFAULT_USER,
    assistant: AssistantOption = DEFAULT_ASSISTANT,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
    yes: YesOption = False,
) -> None:
    """Delete one page or knowledge entry, or the pages of a session or a span of time.

    With pages goes what was derived from them alone.
    """
    from memoryos_engine.forgetting_commands import Unwanted, forget_unwanted

    what = Unwanted(record_id=record_id, session=session, since=since, until=until)
    with opened(path, embedder) as system:
        forget_unwanted(known(system, user, assistant), what, ask=not yes)


@app.command()
def purge(
    user: UserOption = DEFAULT_USER,
    assistant: AssistantOption = DEFAULT_ASSISTANT,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
    yes: YesOption = False,
    everyone: Annotated[bool, typer.Option("--all-assistants", help="With whichever assistants.")] = False,
) -> None:
    """Delete everything of one user with one assistant, or with all."""
    from memoryos_engine.forgetting_commands import purge_memories

    with opened(path, embedder) as system:
        others = [owner.assistant_id for owner in system.users() if owner.user_id == user] if everyone else []
        purge_memories([known(system, user, each) for each in others or [assistant]], ask=not yes)


for command in (check, stats, vacuum, reindex, serve):
    app.command()(command)
app.command("export")(export_)
app.command("import")(import_)


def main() -> None:
    """Run the command line; text that the output's encoding lacks is replaced, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
