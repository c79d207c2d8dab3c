"""`%memoryos`, `%%chat` and `%recall`: a memory in a notebook without a line of Python.

They choose and delegate; what is remembered and found is decided by the engine. They are plain calls, and never
start an event loop: the kernel's own is running, and `await memory.aretrieve_memory(...)` works beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand

from memoryos_engine import InvalidInput, RetrievedMemory, UserMemory
from memoryos_integrations.jupyter.brief_errors import MagicUsageError, in_one_line
from memoryos_integrations.jupyter.cell_output import GrowingAnswer, say
from memoryos_integrations.jupyter.chat_turn import NOT_REMEMBERED, answered_turn, noted_turn
from memoryos_integrations.jupyter.magic_words import read_memory_words, read_question, read_style
from memoryos_integrations.jupyter.notebook_session import NO_USER, NotebookSession

if TYPE_CHECKING:
    from memoryos_engine import MemoryStatus
    from memoryos_integrations.jupyter.explorer import MemoryExplorer

GIVEN_BACK = (
    "The store is given back. The next use opens it again; variables that held the memory need it anew: "
    "memory = %memoryos"
)


@magics_class
class MemoryOSMagics(Magics):
    """The magics of one shell.

    Args:
        shell: whose variables `use` and `$name` mean.
        session: whose memory is used.
    """

    def __init__(self, shell: InteractiveShell, session: NotebookSession) -> None:
        super().__init__(shell)
        self.session = session

    @no_var_expand
    @line_magic
    def memoryos(self, line: str) -> UserMemory | MemoryStatus | MemoryExplorer | None:
        """Choose whose memory is used, and return it.

        Words stand in any order and stay in force:

            %memoryos user tom
            %memoryos user "Tom Smith" assistant tutor session monday path ./lessons
            %memoryos model gpt-4o-mini     answers come from this model (OPENAI_API_KEY, OPENAI_BASE_URL);
                                            "model none" goes without one
            %memoryos use memory            the MemoryOS, UserMemory or Memoryos in this variable, which stays yours
            %memoryos                       the memory in use
            %memoryos status                how much waits for the background, and why it failed if it did
            %memoryos explore               a widget to look through the memory
            %memoryos close                 give the store back to other processes; the next use opens it again

        $name and {name} in a value stand for what a variable holds.
        `memory = %memoryos user tom` gives the memory to Python.
        """
        with in_one_line():
            words = read_memory_words(line, self._variables)
            if words.values:
                self.session.choose(words.values, self._variables)
            if words.action:
                return self._act(words.action)
            if words.values and self.session.choice.user is None:
                say(f"Noted; {NO_USER}")
                return None
            return self.session.memory()

    @no_var_expand
    @cell_magic
    def chat(self, line: str, cell: str) -> None:
        """Say what stands in the cell; the answer comes below it, and the turn is remembered.

            %%chat
            My sister Olga keeps reindeer.

            %%chat --style "warm and brief"
            Which animals does Olga look after?

        Without a model (see %memoryos) the memories that fit are shown, and what you said is remembered.
        """
        with in_one_line(unanswered=NOT_REMEMBERED):
            style = read_style(line, self._variables)
            said = cell.strip("\r\n")
            if not said.strip():
                raise MagicUsageError("%%chat has nothing to say. Write what you say into the lines below it.")
            memory = self.session.memory()
            if memory.system.llm is None:
                noted_turn(memory, said, fix=self._how_to_get_a_model())
            else:
                answered_turn(memory, said, GrowingAnswer(live=self._is_live), style=style)

    @no_var_expand
    @line_magic
    def recall(self, line: str) -> RetrievedMemory:
        """Return what memory holds for a question, which is taken to the letter.

            %recall What do I do for work?
            %recall --top-k 3 Where did we go "last" summer?
            found = %recall Who is allergic to what?

        It counts as a visit, as every retrieval does.
        """
        with in_one_line():
            question, options = read_question(line)
            try:
                return self.session.memory().retrieve_memory(question, **options)
            except InvalidInput as error:
                raise error.under("--top-k" if error.parameter == "top_k" else "question") from error

    def _act(self, action: str) -> MemoryStatus | MemoryExplorer | None:
        if action == "close":
            self._close()
            return None
        memory = self.session.memory()
        if action == "status":
            return memory.status()
        from memoryos_integrations.jupyter.explorer import MemoryExplorer

        return MemoryExplorer(memory)

    def _close(self) -> None:
        choice = self.session.choice
        if choice.borrowed is not None:
            raise MagicUsageError(f"the memory of {choice.variable!r} is yours to close: {choice.variable}.close()")
        self.session.close()
        say(GIVEN_BACK)

    def _how_to_get_a_model(self) -> str:
        variable = self.session.choice.variable
        return f"Pass llm=... where {variable!r} is opened." if variable else "For answers: %memoryos model NAME"

    @property
    def _variables(self) -> dict[str, Any]:
        shell: Any = self.shell
        variables: dict[str, Any] = shell.user_ns
        return variables

    @property
    def _is_live(self) -> bool:
        return getattr(self.shell, "kernel", None) is not None  # a terminal shows every view below the last one
