"""How a check looks: a line that says what is checked, a table of the calls, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from memoryos_engine.terminal import harmless, stored, table
from memoryos_integrations.mcp.check_calls import Seen
from memoryos_integrations.mcp.config import ServerConfig

_RUNNING = "The server is running already, perhaps started by a client: end it, or close the client, and check again."
_SILENT_MODEL = """\
What is said is kept and found all the same, and read when the model answers. Set openai_api_key, llm_model and \
openai_base_url right; or leave the key out, and no model is asked."""
_MENDS = {
    "is open in another process": _RUNNING,
    "needs the package": "Install it, or set embedding_model_name to hashing, which needs no package and no download.",
    "OPENAI_API_KEY": "Set it in the environment, or set embedding_model_name to hashing, which needs no key.",
    "leads to no Chroma server": "Start that server, or leave chroma_url out: then the store is in data_storage_path.",
    "stored and pending": _SILENT_MODEL,
}
"""What an error says, and how it is mended where it does not say that itself."""
_AT_ONCE = "For the check every exchange is read at once; otherwise that waits until a topic has come up a few times."
_SIGNS = {True: "✓", False: "✗"}
_PLAIN_SIGNS = {True: "ok", False: "!!"}
_OTHER_COLUMNS = 16
"""Characters of a line besides the call and what was seen."""
_LEAST = 20


def opening_lines(config: ServerConfig, port: int | None) -> Text:
    """Return what is checked, and on which port of loopback if over HTTP."""
    where = f"HTTP on {config.http}" if config.http else "stdio"
    wanted = (config.http or "").rpartition(":")[2]
    taken = f" because port {wanted} is taken" if wanted not in ("0", str(port)) else ""
    here = "" if port is None or config.http == f"127.0.0.1:{port}" else f", checked on 127.0.0.1:{port}{taken}"
    store = config.chroma_url or str(config.data_storage_path.resolve())
    model = "no model" if config.offline else f"model {config.llm_model}"
    parts = f"store {store}, embedder {config.embedding_model_name}, {model}"
    head = (f"Checking the server over {harmless(where)}{here}", "bold")
    return Text.assemble(head, "\n", harmless(parts), "\n", _AT_ONCE)


def sign(screen: Console, *, good: bool) -> str:
    """Return the sign of what went well or not, as far as the encoding of the screen has one."""
    try:
        _SIGNS[good].encode(screen.encoding)
    except (UnicodeEncodeError, LookupError):
        return _PLAIN_SIGNS[good]
    return _SIGNS[good]


def calls_table(seen: Sequence[Seen], *, screen: Console) -> Table:
    """Return all calls, with what came of them, cut to the width of the screen."""
    made = table("", ("", "call", "saw", "ms"), left=("", "call", "saw"))
    limit = max(_LEAST, screen.width - _OTHER_COLUMNS - max((len(each.call) for each in seen), default=0))
    for each in seen:
        tick = Text(sign(screen, good=each.good), style="green" if each.good else "bold red")
        made.add_row(tick, each.call, stored(each.saw, limit=limit), f"{1000 * each.seconds:,.0f}")
    return made


def show_end(seen: Sequence[Seen], heard: str, left_behind: str, *, screen: Console) -> None:
    """Print what went wrong, whole, with how to mend it; or that nothing did.

    Args:
        seen: all calls.
        heard: what a server that did not start said; empty if they all did.
        left_behind: what to say if the check's user could not be forgotten.
        screen: where to print.
    """
    wrong = [each for each in seen if not each.good]
    for each in wrong:
        said = f"{each.saw} It said: {heard}" if heard else each.saw
        screen.print(Text.assemble((f"{sign(screen, good=False)} {each.call}: ", "bold red"), stored(said)))
    for mend in mends(" ".join([heard, *(each.saw for each in wrong)])):
        screen.print(Text.assemble(("What to do: ", "bold"), mend))
    if left_behind:
        screen.print(stored(left_behind, style="red"))
    elif wrong:
        screen.print(Text("Nothing of the check is left in the store."))
    else:
        ready = f"All {len(seen)} calls were answered as they should be; nothing of the check is left."
        screen.print(Text(f"{sign(screen, good=True)} {ready}", style="bold green"))
        screen.print(Text("Next: give your client the entry for it, see mcp.example.json."))


def mends(said: str) -> list[str]:
    """Return what to do about errors."""
    return [mend for sign, mend in _MENDS.items() if sign in said]
