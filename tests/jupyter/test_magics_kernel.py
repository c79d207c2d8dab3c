"""The magics in a real kernel, run by nbclient as continuous integration would."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from memoryos_engine import MemoryOS, StoreLocked
from memoryos_engine.storage.lock import NOTE_NAME
from memoryos_integrations.jupyter.cell_output import spoken
from tests.loopback import Endless, Said, chat_server, failing
from tests.openai_service import SECRET, stand_in

EXTENSION = "memoryos_integrations.jupyter"
IMPORTS = "from memoryos_engine import MemoryOS, OpenAIChatModel, ScriptedChatModel"
TIMEOUT = 60
WORDS = (
    "The words are: user NAME, assistant NAME, session NAME, path DIR, model NAME, use VARIABLE, status, explore, "
    "close. A name with spaces needs quotes."
)


class Watched(NotebookClient):
    """A client that tells of every message of a cell that runs."""

    watch: Callable[[str, dict], object] = staticmethod(lambda kind, content: None)

    def process_message(self, msg, cell, cell_index):
        type(self).watch(msg["msg_type"], msg["content"])
        return super().process_message(msg, cell, cell_index)


class Kernel:
    """A kernel and the notebook that is executed in it, cell by cell."""

    def __init__(self, client: Watched) -> None:
        self.client = client

    def run(self, source: str) -> list[dict]:
        """Execute a cell; return its outputs as data. A cell that fails raises, as it does for nbclient."""
        return [output["data"] for output in self._execute(source).outputs]

    def said(self, source: str) -> str:
        """Execute a cell that ends in a value of text; return it."""
        return eval(self.run(source)[-1]["text/plain"])

    def fail(self, source: str) -> list[str]:
        """Execute a cell that fails; return the texts below it: those shown before, and the error whole."""
        with pytest.raises(CellExecutionError):
            self._execute(source)
        outputs = self.client.nb.cells[-1].outputs
        return ["\n".join(each["traceback"]) if "ename" in each else each["data"]["text/plain"] for each in outputs]

    def _execute(self, source: str):
        cell = nbformat.v4.new_code_cell(source)
        self.client.nb.cells.append(cell)
        return self.client.execute_cell(cell, len(self.client.nb.cells) - 1)


@contextmanager
def kernel_in(directory: Path) -> Iterator[Kernel]:
    client = Watched(
        nbformat.v4.new_notebook(), kernel_name="python3", timeout=TIMEOUT, resources={"metadata": {"path": directory}}
    )
    with client.setup_kernel():
        yield Kernel(client)


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Iterator[Path]:
    """Directories of Jupyter's own, for the kernels of this file and nobody else."""
    directory = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(directory / name.lower()))
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1")
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
            patch.delenv(name, raising=False)
        yield directory


@pytest.fixture(scope="module")
def only_kernel(places) -> Iterator[Kernel]:
    with kernel_in(places) as kernel:
        yield kernel


@pytest.fixture
def kernel(only_kernel, tmp_path):
    """The kernel with a store of the test's own."""
    only_kernel.run(f"%reload_ext {EXTENSION}")
    only_kernel.run(
        f'%memoryos path "{tmp_path / "store"}" user tom assistant assistant session default model none\n'
        f"{IMPORTS}\nimport os"
    )
    return only_kernel


@pytest.fixture
def server():
    with chat_server() as running:
        yield running


@pytest.fixture
def with_model(kernel, server):
    """The kernel with a model of the real client on the server."""
    kernel.run(f'os.environ |= {{"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": "{server.url}"}}')
    kernel.run("%memoryos model gpt-4o-mini")
    return kernel


@pytest.fixture
def watch(monkeypatch) -> Callable[[Callable[[str, dict], object]], None]:
    return lambda watching: monkeypatch.setattr(Watched, "watch", staticmethod(watching))


TURNS = "memory = %memoryos\nrepr([(page.user_input, page.agent_response) for page in memory.pages()])"


def turns(kernel: Kernel) -> list[tuple[str, str]]:
    return eval(kernel.said(TURNS))


def test_an_answer_of_the_real_client_comes_as_it_is_said_and_is_remembered(with_model, server, watch):
    """The second half is not said before the first has been seen."""
    server.replies.append(Said(pieces=("Rein", "deer! ", "*How* ", "many?"), text=None, held_after=1))
    views: list[dict] = []

    def seen(kind, content):
        if kind in ("display_data", "update_display_data"):
            views.append(content["data"])
            server.release()

    watch(seen)
    (shown,) = with_model.run("%%chat --style brief\nMy sister Olga keeps reindeer.")

    whole = spoken("Reindeer! *How* many?")
    assert (shown, views[0]["text/plain"], views[-1]) == (whole, "Rein", whole)
    assert turns(with_model) == [("My sister Olga keeps reindeer.", "Reindeer! *How* many?")]
    assert [(request["model"], request["stream"]) for request in server.requests] == [("gpt-4o-mini", True)]


def test_the_model_is_shown_what_was_said_before(with_model, server):
    server.respond = stand_in
    with_model.run("%%chat\nMy sister Olga keeps reindeer.")
    with_model.run("%memoryos session later")
    with_model.run("%%chat\nWhich animals does Olga keep?")

    system, user = server.requests[-1]["messages"]
    assert ("My sister Olga keeps reindeer." in system["content"], user["content"]) == (
        True,
        "Which animals does Olga keep?",
    )


@pytest.mark.parametrize("fault", [failing(500, SECRET), failing(401, SECRET)], ids=["failing", "no key"])
def test_a_service_that_fails_fails_the_cell_and_is_no_memory(with_model, server, fault):
    server.respond = lambda request: fault
    (told,) = with_model.fail("%%chat\nI moved to Lisbon.")

    assert told.startswith("ChatModelError: the model 'gpt-4o-mini' did not answer (")
    assert told.endswith(" Nothing of this turn is remembered; run the cell again.")
    assert (SECRET in told, "\n" in told) == (False, False)
    assert turns(with_model) == []


def test_where_nobody_answers_the_cell_fails_and_nothing_is_remembered(kernel, server):
    with chat_server() as gone:
        url = gone.url
    kernel.run(
        f'dead = OpenAIChatModel("m", api_key="any", base_url="{url}", max_retries=0)\n'
        'system = MemoryOS("dead", llm=dead)\n%memoryos use system'
    )
    (told,) = kernel.fail("%%chat\nI moved to Lisbon.")

    assert told.startswith("ChatModelError: the model 'm' did not answer (")
    assert turns(kernel) == []
    kernel.run("system.close()")


def test_an_interrupted_answer_ends_the_request_and_is_not_remembered(with_model, server, watch):
    server.replies.append(Endless())
    pid = int(with_model.said("str(os.getpid())"))
    interrupted: list[str] = []

    def interrupt(kind, content):
        if kind == "display_data" and not interrupted:
            interrupted.append(kind)
            os.kill(pid, signal.SIGINT)

    watch(interrupt)
    shown, told = with_model.fail("%%chat\nTell me everything.")

    assert told == "KeyboardInterrupt: Interrupted. Nothing of this turn is remembered; run the cell again."
    assert (shown[:7], shown[-28:]) == ("and on ", "[broken off; not remembered]")
    assert server.disconnected.wait(TIMEOUT)
    assert turns(with_model) == []


def test_a_scripted_model_of_the_notebook_answers(kernel):
    kernel.run('system = MemoryOS("scripted", llm=ScriptedChatModel(["I see."]))\n%memoryos use system')
    (shown,) = kernel.run("%%chat\nHello.")

    assert shown == spoken("I see.")
    assert turns(kernel) == [("Hello.", "I see.")]
    kernel.run("system.close()")


def test_without_a_model_what_was_said_is_remembered_and_found_by_another_session(kernel):
    kernel.run("%%chat\nMy sister Olga keeps reindeer.")
    found, line = kernel.run("%memoryos session later\n_ = get_ipython().run_cell_magic('chat', '', 'Who is Olga?')")

    assert ("text/html" in found, line) == (
        True,
        {
            "text/plain": "No model: what you said is remembered, and nothing was answered. "
            "For answers: %memoryos model NAME"
        },
    )
    (recalled,) = kernel.run('%recall Which "animals" does $Olga {keep}?')
    assert "text/html" in recalled
    assert kernel.said('found = %recall Which "animals" does $Olga {keep}?\nfound.query') == (
        'Which "animals" does $Olga {keep}?'
    )
    assert kernel.said("found.pages[0].user_input") == "My sister Olga keeps reindeer."


def test_awaiting_works_beside_the_magics(kernel):
    kernel.run("%%chat\nI live in Oslo.")
    answer = kernel.said(
        "memory = %memoryos session later\n"
        "found = await memory.aretrieve_memory('Where do I live?')\n"
        "again = %recall Where do I live?\n"
        "found.pages[0].user_input + again.pages[0].user_input"
    )

    assert answer == "I live in Oslo.I live in Oslo."


def test_two_users_never_meet(kernel):
    kernel.run("%%chat\nMy password is swordfish.")
    kernel.run("%memoryos user ann")
    outputs = kernel.run("%%chat\nWhat is my password?") + kernel.run("%recall What is my password?")

    assert "swordfish" not in str(outputs)
    assert turns(kernel) == [("What is my password?", "")]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "%memoryos usr tom",
            f"MagicUsageError: %memoryos does not know the word 'usr'. {WORDS}",
        ),
        ("%recall", "MagicUsageError: %recall needs a question: %recall What do I do for work?"),
        (
            "%%chat\n  ",
            "MagicUsageError: %%chat has nothing to say. Write what you say into the lines below it.",
        ),
        ("%recall --top-k 0 What?", "InvalidInput: --top-k is 0. Pass an int of 1 or more."),
    ],
)
def test_a_mistake_stops_the_notebook_with_one_line_that_names_the_fix(kernel, source, told):
    """IPython's own UsageError would leave a line on standard error, and no error in the notebook."""
    assert kernel.fail(source) == [told]


def test_a_store_that_another_process_has_open_is_an_error_and_changes_nothing(kernel, tmp_path):
    with MemoryOS(tmp_path / "taken"):
        (told,) = kernel.fail(f'%memoryos user ann path "{tmp_path / "taken"}"')

    assert told.startswith(f"StoreLocked: '{tmp_path / 'taken'}' is open in another process (pid {os.getpid()} on ")
    assert told.endswith(
        "). Close it there (%memoryos close, or shut down that kernel), or take another one: %memoryos path DIR"
    )
    assert kernel.said("memory = %memoryos\nmemory.owner.user_id") == "tom"


def test_unloading_lets_another_process_have_the_store(kernel, tmp_path):
    kernel.run("%%chat\nI live in Oslo.")
    with pytest.raises(StoreLocked):
        MemoryOS(tmp_path / "store")
    kernel.run(f"%unload_ext {EXTENSION}")

    with MemoryOS(tmp_path / "store") as system:
        assert [page.user_input for page in system.memory("tom").pages()] == ["I live in Oslo."]
    kernel.run(f"%load_ext {EXTENSION}")
    assert turns(kernel) == [("I live in Oslo.", "")]


def test_another_kernel_finds_what_was_said_in_one_that_ended(places, tmp_path):
    with kernel_in(tmp_path) as first:
        first.run(f"%load_ext {EXTENSION}\n%memoryos user tom")
        first.run("%%chat\nMy sister Olga keeps reindeer.")
        assert (tmp_path / "memoryos_data" / NOTE_NAME).exists()
    assert not (tmp_path / "memoryos_data" / NOTE_NAME).exists()  # given back, not only let go of by a dead process

    with kernel_in(tmp_path) as second:
        second.run(f"%load_ext {EXTENSION}\n%memoryos user tom session later")
        assert second.said("found = %recall Who keeps reindeer?\nfound.pages[0].user_input") == (
            "My sister Olga keeps reindeer."
        )
