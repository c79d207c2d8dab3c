"""What the commands share: options, defaults, and the store they open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memoryos_engine.errors import InvalidInput

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.system import MemoryOS

STORE_FILE = "chroma.sqlite3"
LISTED = 5
"""Users named in an error."""
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
