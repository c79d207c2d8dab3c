"""Commands for who looks after a store: is it sound, what is in it, clean it, change it, share it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from memoryos_engine.cli_options import DEFAULT_EMBEDDER, DEFAULT_PATH, EmbedderOption, JSONOption, PathOption, opened
from memoryos_engine.errors import EmbedderMismatch
from memoryos_engine.terminal import console, stored


def check(
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
    repair: Annotated[bool, typer.Option("--repair", help="Mend it; no text of a page is lost.")] = False,
    as_json: JSONOption = False,
) -> None:
    """List what is wrong in the store; status 1 if anything is and stays so."""
    from memoryos_engine.care_view import show_findings
    from memoryos_engine.checks.findings import is_sound

    with opened(path, embedder) as system:
        found = system.check(repair=repair, progress=sys.stderr.isatty())
    show_findings(found, screen=console(), as_json=as_json)
    raise typer.Exit(0 if is_sound(found) else 1)


def stats(
    path: PathOption = DEFAULT_PATH, embedder: EmbedderOption = DEFAULT_EMBEDDER, as_json: JSONOption = False
) -> None:
    """Count what the store holds, for all users together."""
    from memoryos_engine.care_view import show_stats

    with opened(path, embedder) as system:
        figures = system.stats()
    show_stats(figures, screen=console(), as_json=as_json)


def vacuum(path: PathOption = DEFAULT_PATH, embedder: EmbedderOption = DEFAULT_EMBEDDER) -> None:
    """Leave no byte of deleted text in the files of the store."""
    with opened(path, embedder) as system:
        system.vacuum()
    console().print("Done: the files hold what is remembered and nothing else.")


def reindex(
    to: Annotated[str, typer.Option("--to", help="The embedder that the store shall have.")],
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
) -> None:
    """Give the store another embedder. What was cut off, the same command goes on with."""
    from memoryos_engine.embedding.by_name import embedder_by_name

    new = embedder_by_name(to)
    try:
        with opened(path, embedder) as system:
            count = system.reindex(embedder=new, progress=sys.stderr.isatty())
    except EmbedderMismatch:
        with opened(path, to):  # an earlier call may have been killed when all was done
            count = 0
    console().print(stored(f"Done: {count:,} texts were embedded; the store has {new.name} now."), soft_wrap=True)


def serve(
    path: PathOption = DEFAULT_PATH,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; whoever reaches it can read and change everything.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 0,
) -> None:
    """Let several processes use one store: every MemoryOS on this path finds the server by itself."""
    from memoryos_engine.storage.serving import serve as run

    def ready(address: str) -> None:
        console(errors=True).print(stored(f"Serving {path} at {address}; Ctrl-C ends it"), soft_wrap=True)

    run(path.resolve(), host=host, port=port, ready=ready)
