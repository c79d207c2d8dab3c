"""Commands that take a memory out of a store and bring one in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memoryos_engine.cli_options import (
    DEFAULT_ASSISTANT,
    DEFAULT_EMBEDDER,
    DEFAULT_PATH,
    DEFAULT_SESSION,
    DEFAULT_USER,
    AssistantOption,
    EmbedderOption,
    PathOption,
    UserOption,
    known,
    opened,
)
from memoryos_engine.terminal import console, stored


def export_(
    file: Annotated[Path, typer.Argument(help="JSON Lines file to write.")],
    user: UserOption = DEFAULT_USER,
    assistant: AssistantOption = DEFAULT_ASSISTANT,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
) -> None:
    """Write one user's whole memory to a file."""
    with opened(path, embedder) as system:
        records = known(system, user, assistant).export(file)
    console().print(stored(f"Wrote {records} records to {file}"), soft_wrap=True)


def import_(
    file: Annotated[Path, typer.Argument(help="File made by export, or somebody else's; a folder of the reference.")],
    source: Annotated[
        str | None, typer.Option("--from", help="memoryos, reference, mem0, openai or chat-log; else guessed.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Whose memory; an export names its own user.")] = None,
    assistant: Annotated[str | None, typer.Option("--assistant", help="With which assistant.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="For what names no conversation itself.")] = None,
    user_name: Annotated[str | None, typer.Option("--user-name", help="Who the user is in the file.")] = None,
    day_first: Annotated[
        bool | None, typer.Option("--day-first/--month-first", help="How a chat log writes 04/05.")
    ] = None,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
) -> None:
    """Read an exported memory, or what another program kept, into this store.

    What is there already is not stored again.
    """
    from memoryos_engine.import_command import foreign_turns, import_foreign, refuse_options

    turns = foreign_turns(file, source, user_name, day_first=day_first)
    if turns is None:
        refuse_options({"--user": user, "--assistant": assistant, "--session": session})
    with opened(path, embedder, new=True) as system:
        if turns is not None:
            names = (user or DEFAULT_USER, assistant or DEFAULT_ASSISTANT, session or DEFAULT_SESSION)
            import_foreign(system.memory(*names), turns, screen=console())
            return
        memory = system.import_memory(file, progress=console(errors=True).is_terminal)
        line = f"Read {len(memory.pages())} pages of {memory.owner.user_id} with {memory.owner.assistant_id}"
    console().print(stored(line), soft_wrap=True)
