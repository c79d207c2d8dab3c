"""The command `memoryos`: look at a memory, add to it, move it, measure it.

Whatever is heavy is imported inside the command that needs it, so that help is instant.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memoryos_engine.cli_errors import Commands
from memoryos_engine.errors import EmbedderMismatch, InvalidInput
from memoryos_engine.evaluation.commands import app as evaluate_app
from memoryos_engine.terminal import console, stored

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.system import MemoryOS

STORE_FILE = "chroma.sqlite3"


LISTED = 5
"""Users named in an error."""
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

PathOption = Annotated[Path, typer.Option("--path", envvar="MEMORYOS_PATH", help="Directory of the store.")]
UserOption = Annotated[str, typer.Option("--user", help="Whose memory.")]
AssistantOption = Annotated[str, typer.Option("--assistant", help="With which assistant.")]
SessionOption = Annotated[str, typer.Option("--session", help="Conversation thread.")]
EmbedderOption = Annotated[
    str, typer.Option("--embedder", envvar="MEMORYOS_EMBEDDER", help="The embedder that the store was made with.")
]
JSONOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DEFAULT_PATH = Path("memoryos_data")
DEFAULT_USER, DEFAULT_ASSISTANT, DEFAULT_SESSION, DEFAULT_EMBEDDER = "user", "assistant", "default", "hashing"


@contextmanager
def opened(path: Path, embedder: str, *, new: bool = False) -> Iterator[MemoryOS]:
    """Open the store at `path`; unless it may be `new`, it must be there."""
    from memoryos_engine.embedding.by_name import embedder_by_name
    from memoryos_engine.system import MemoryOS

    if not new and not (path / STORE_FILE).is_file():
        raise InvalidInput("--path", f"holds no memory ({path})", "Pass the directory of a store, or add to it first.")
    with MemoryOS(path, embedder=embedder_by_name(embedder)) as system:
        yield system


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


@app.command()
def stats(
    path: PathOption = DEFAULT_PATH, embedder: EmbedderOption = DEFAULT_EMBEDDER, as_json: JSONOption = False
) -> None:
    """Count what the store holds, for all users together."""
    from memoryos_engine.care_view import show_stats

    with opened(path, embedder) as system:
        figures = system.stats()
    show_stats(figures, screen=console(), as_json=as_json)


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


@app.command()
def vacuum(path: PathOption = DEFAULT_PATH, embedder: EmbedderOption = DEFAULT_EMBEDDER) -> None:
    """Leave no byte of deleted text in the files of the store."""
    with opened(path, embedder) as system:
        system.vacuum()
    console().print("Done: the files hold what is remembered and nothing else.")


@app.command()
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


@app.command()
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


@app.command("export")
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


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="File made by export.")],
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
) -> None:
    """Read an exported memory into this store."""
    if not file.is_file():
        raise InvalidInput("FILE", "does not exist", "Pass a file made by: memoryos export FILE")
    with opened(path, embedder, new=True) as system:
        memory = system.import_memory(file, progress=console(errors=True).is_terminal)
        line = f"Read {len(memory.pages())} pages of {memory.owner.user_id} with {memory.owner.assistant_id}"
    console().print(stored(line), soft_wrap=True)


def known(system: MemoryOS, user: str, assistant: str, session: str = DEFAULT_SESSION) -> UserMemory:
    """Return the memory of someone who has one here.

    Raises:
        InvalidInput: nobody of this name has.
    """
    memory = system.memory(user, assistant, session)
    owners = system.users()
    if memory.owner in owners:
        return memory
    others = [owner.assistant_id for owner in owners if owner.user_id == user]
    if others:
        fix = f"Pass --assistant with one of: {', '.join(others)}."
        raise InvalidInput("--assistant", f"{assistant} has no memory of {user} here", fix)
    here = ", ".join(dict.fromkeys(owner.user_id for owner in owners[:LISTED])) or "nobody yet"
    raise InvalidInput("--user", f"{user} has no memory here", f"Who has: {here}.")


def main() -> None:
    """Run the command line; text that the output's encoding lacks is replaced, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
