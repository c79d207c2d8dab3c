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
from memoryos_engine.errors import InvalidInput
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
def users(path: PathOption = DEFAULT_PATH, embedder: EmbedderOption = DEFAULT_EMBEDDER) -> None:
    """List everyone who has a memory here."""
    from memoryos_engine.terminal import table

    with opened(path, embedder) as system:
        made = table("", ("user", "assistant", "pages"), left=("user", "assistant"))
        for owner in system.users():
            pages = len(system.memory(owner.user_id, owner.assistant_id).pages())
            made.add_row(stored(owner.user_id), stored(owner.assistant_id), f"{pages:,}")
    console().print(made)


@app.command()
def check(path: PathOption = DEFAULT_PATH, embedder: EmbedderOption = DEFAULT_EMBEDDER) -> None:
    """List what is wrong in the store; status 1 if anything is."""
    with opened(path, embedder) as system:
        findings = system.check()
    for finding in findings:
        console().print(
            stored(f"{finding.owner.user_id}: {finding.record_id} {finding.problem}"), style="red", soft_wrap=True
        )
    console().print(f"{len(findings)} records break an invariant" if findings else "The store is sound.")
    raise typer.Exit(1 if findings else 0)


@app.command()
def forget(
    record_id: Annotated[str, typer.Argument(help="Id of a page or a knowledge entry.")],
    user: UserOption = DEFAULT_USER,
    assistant: AssistantOption = DEFAULT_ASSISTANT,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
) -> None:
    """Delete one page or one knowledge entry.

    With a page goes what was derived from it alone.
    """
    with opened(path, embedder) as system:
        known(system, user, assistant).forget(record_id)
    console().print(stored(f"Forgot {record_id}"), soft_wrap=True)


@app.command()
def purge(
    user: UserOption = DEFAULT_USER,
    assistant: AssistantOption = DEFAULT_ASSISTANT,
    path: PathOption = DEFAULT_PATH,
    embedder: EmbedderOption = DEFAULT_EMBEDDER,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete everything of one user with one assistant."""
    with opened(path, embedder) as system:
        memory = known(system, user, assistant)
        if not yes:
            name = stored(f"{user} with {assistant}").plain
            typer.confirm(f"Delete all {len(memory.pages())} pages of {name}?", abort=True)
        memory.purge()
    console().print(stored(f"Nothing of {user} with {assistant} is remembered any more."))
    console().print("Its bytes leave the files of the store with: memoryos vacuum", style="dim")


@app.command()
def vacuum(path: PathOption = DEFAULT_PATH, embedder: EmbedderOption = DEFAULT_EMBEDDER) -> None:
    """Leave no byte of deleted text in the files of the store."""
    with opened(path, embedder) as system:
        system.vacuum()
    console().print("Done: the files hold what is remembered and nothing else.")


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
        memory = system.import_memory(file)
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
