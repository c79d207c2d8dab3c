"""`%load_ext memoryos_integrations.jupyter`: the magics, and displays for what the engine returns.

What was chosen with `%memoryos` outlives an unloading, so that `%reload_ext` loses nothing; the store does not.
"""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from memoryos_integrations.jupyter.display import register_displays, unregister_displays
from memoryos_integrations.jupyter.magics import MemoryOSMagics
from memoryos_integrations.jupyter.notebook_session import session_of
from memoryos_integrations.jupyter.verbatim_questions import leave_questions, take_questions_verbatim


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register magics and displays; called by IPython."""
    shell.register_magics(MemoryOSMagics(shell, session_of(shell)))
    take_questions_verbatim(shell)
    register_displays(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take them away again and give the store back; called by IPython.

    Raises:
        StoreError: visits that waited could not be recorded; all of it is undone all the same.
    """
    _take_magics_away(shell)
    leave_questions(shell)
    unregister_displays(shell)
    session_of(shell).close()


def _take_magics_away(shell: InteractiveShell) -> None:
    manager = shell.magics_manager
    ours = manager.registry.pop(MemoryOSMagics.__name__, None)
    if ours is None:
        return
    for magics in manager.magics.values():
        for name in [name for name, magic in magics.items() if getattr(magic, "__self__", None) is ours]:
            del magics[name]
