"""What `import memoryos_engine` offers."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import memoryos_engine
import memoryos_engine.embedding
import memoryos_engine.llm

PACKAGES = (memoryos_engine, memoryos_engine.embedding, memoryos_engine.llm)
NAMES = [(package, name) for package in PACKAGES for name in package.__all__]


def imported_for_types(package) -> set[str]:
    """The names that a type checker sees: those the package imports anywhere at its top."""
    nodes = ast.walk(ast.parse(Path(package.__file__).read_text(encoding="utf-8")))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names} - {
        "annotations",
        "import_module",
        "TYPE_CHECKING",
        "Any",
    }


def test_all_is_what_the_lazy_table_has():
    """One list for people, one for the import: they must say the same."""
    assert sorted(memoryos_engine.__all__) == sorted(memoryos_engine._HOME_OF)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_type_checkers_see_what_all_says(package):
    """py.typed: a name that only exists at run time has no type."""
    assert imported_for_types(package) == set(package.__all__)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_all_is_sorted_and_without_repetition(package):
    """A list that people read."""
    assert package.__all__ == sorted(set(package.__all__))


@pytest.mark.parametrize(("package", "name"), NAMES, ids=lambda one: getattr(one, "__name__", one))
def test_every_name_is_there(package, name):
    """Design part 2: keep these names."""
    value = getattr(package, name)

    assert value is not None
    assert inspect.getmodule(value).__name__.startswith(("memoryos_engine", "typing"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_an_unknown_name_is_an_attribute_error_that_names_it(package):
    """As in any module, so that hasattr works."""
    with pytest.raises(AttributeError, match="Nothing"):
        _ = package.Nothing


def test_dir_lists_the_names():
    """What completion in a notebook offers."""
    assert set(memoryos_engine.__all__) <= set(dir(memoryos_engine))


def test_star_import_gives_all_names():
    """svcs, the counter-example: a name in __all__ that cannot be imported breaks the star."""
    names: dict[str, object] = {}
    exec("from memoryos_engine import *", names)

    assert set(memoryos_engine.__all__) <= set(names)


@pytest.mark.parametrize(("package", "name"), NAMES, ids=lambda one: getattr(one, "__name__", one))
def test_every_public_class_and_function_is_documented(package, name):
    """Every public name has a docstring of its own, and so has every public method of it."""
    value = getattr(package, name)
    if not inspect.isclass(value) and not inspect.isfunction(value):
        pytest.skip("a type alias or a constant")
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}(")  # what dataclass writes where there is nothing
    if inspect.isclass(value):
        members = {key: member for key, member in vars(value).items() if not key.startswith("_")}
        methods = {key: member for key, member in members.items() if inspect.isfunction(member)}
        assert [key for key, member in methods.items() if not inspect.getdoc(getattr(value, key))] == []
