"""An explorer of one memory, as a widget: browse the tiers, search as you type, follow facts to their pages, forget.

The kernel renders every view and the browser shows it (see `explorer.js`). Where widgets do not run, the static
display of the memory stands in its place.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from traitlets import Unicode

from memoryos_engine.errors import MemoryOSError, NotFound
from memoryos_engine.memory import UserMemory
from memoryos_integrations.jupyter.display import show
from memoryos_integrations.jupyter.explorer_views import FIRST, ExplorerViews
from memoryos_integrations.jupyter.rendering import style

_log = logging.getLogger(__name__)
GONE = "This is gone: it was forgotten meanwhile."
_HERE = Path(__file__).parent


class MemoryExplorer(AnyWidget):
    """An interactive view of one user's memory. Looking counts no visits; only `forget` changes anything.

    Args:
        memory: whose.

    Raises:
        InvalidInput: `memory` is no UserMemory.
        StoreError: the memory cannot be read.
    """

    _esm = _HERE / "explorer.js"
    _css = style() + (_HERE / "explorer.css").read_text(encoding="utf-8")
    opening = Unicode(read_only=True).tag(sync=True)
    """What is shown first, as HTML."""
    first = Unicode(FIRST, read_only=True).tag(sync=True)
    """The view that it opens with."""

    def __init__(self, memory: UserMemory) -> None:
        self.memory = memory
        self._views = ExplorerViews(memory)
        super().__init__()
        self.set_trait("opening", self._views.opening())
        self.on_msg(self._asked)

    def _asked(self, _: Any, request: Any, buffers: Any) -> None:  # noqa: ARG002
        question: Mapping[str, Any] = request if isinstance(request, dict) else {}
        self.send({**self._answer(question), "id": question.get("id")})

    def _answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._views.answer(request)
        except NotFound:
            return {"error": GONE}
        except MemoryOSError as error:
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - the browser waits for an answer, whatever a foreign embedder raises
            _log.warning("the explorer could not answer: %s", type(error).__name__)  # its text may quote what is stored
            return {"error": f"It failed with {type(error).__name__}."}

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        return {**data, **show(self.memory)._repr_mimebundle_()}, metadata
