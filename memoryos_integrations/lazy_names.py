"""Names of a package that load the module they live in when they are first used (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str], *, extra: str, extras: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: its `__name__`.
        homes: name to the module in the package that it lives in.
        extra: what has to be installed for them.
        extras: name to its own extra, where that is another.
    """

    other = extras or {}

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("memoryos"):
                raise
            fix = f'pip install "memoryos-integrations[{other.get(name, extra)}]"'
            raise ModuleNotFoundError(f"{name} needs {error.name}: {fix}", name=error.name) from error

    return find
