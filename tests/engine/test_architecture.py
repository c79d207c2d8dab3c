"""The shape of the code, read from its syntax."""

from __future__ import annotations

import ast
from functools import cache
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

import pytest

import memoryos_engine
import memoryos_integrations

ENGINE = Path(memoryos_engine.__file__).parent
INTEGRATIONS = Path(memoryos_integrations.__file__).parent
FILES = {
    ".".join((folder.name, *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__"): file
    for folder in (ENGINE, INTEGRATIONS)
    for file in sorted(folder.rglob("*.py"))
}
ENGINE_FILES = {name: file for name, file in FILES.items() if name.split(".")[0] == "memoryos_engine"}
FRAMEWORKS = frozenset(
    (
        "langchain",
        "langchain_classic",
        "langchain_core",
        "langchain_openai",
        "langgraph",
        "langmem",
        "langsmith",
        "llama_index",
        "llama_index_instrumentation",
        "workflows",
        "mcp",
        "IPython",
        "PIL",
        "anywidget",
        "ipywidgets",
        "jinja2",
        "matplotlib",
        "traitlets",
        "haystack",
    )
)
DATA_TABLES = frozenset(
    (
        "memoryos_engine.language_data",
        "memoryos_engine.analysis.function_words",
        "memoryos_engine.analysis.interests",
        "memoryos_engine.demo_conversation",
    )
)
SPEAKERS = ("cli", "demo", "terminal", "view", "commands")
"""Parts of the names of the files that talk to people."""


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def absolute(node: ast.ImportFrom, name: str) -> str:
    if not node.level:
        return node.module or ""
    package = name.split(".") if FILES[name].stem == "__init__" else name.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def imported(node: ast.AST, name: str) -> set[str]:
    """What one statement imports, modules and what may be modules."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        base = absolute(node, name)
        return {base} | {f"{base}.{alias.name}" for alias in node.names}
    return set()


def all_imports(name: str) -> set[str]:
    return set(chain.from_iterable(imported(node, name) for node in ast.walk(tree(name))))


def runtime_imports(name: str) -> set[str]:
    """Modules of ours that are loaded when `name` is: not those for type checkers, not those inside functions."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(tree(name).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        found |= imported(node, name)
        waiting += ast.iter_child_nodes(node)
    return {module for module in found if module in FILES and module != name}


def functions() -> list[tuple[str, int]]:
    """Every function with the number of lines of its body, docstring and inner functions aside."""
    found = []
    for name in FILES:
        for node in ast.walk(tree(name)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                found.append((f"{name}.{node.name}", lines))
    return found


def test_the_files_are_found():
    """Else every test below would pass on nothing."""
    assert {"memoryos_engine", "memoryos_engine.system", "memoryos_engine.storage.chroma"} <= set(FILES)
    assert "memoryos_engine.storage.resident" in runtime_imports("memoryos_engine.updater")
    assert len(functions()) > 300


@pytest.mark.parametrize("name", ENGINE_FILES)
def test_the_engine_knows_no_framework_and_no_integration(name):
    """Design part 5: integrations import the engine, never the other way round."""
    tops = {module.split(".")[0] for module in all_imports(name)}

    assert tops.intersection(FRAMEWORKS | {"memoryos_integrations"}) == set()


PURE = (
    "heat",
    "audit",
    "similarity",
    "records",
    "retrieved",
    "context",
    "plan",
    "ranking",
    "mid_term",
    "long_term",
    "changes",
)
OUTSIDE = (
    "memoryos_engine.storage",
    "memoryos_engine.llm",
    "memoryos_engine.system",
    "memoryos_engine.clock",
    "chromadb",
)


@pytest.mark.parametrize("name", [f"memoryos_engine.{name}" for name in PURE])
def test_the_middle_is_pure(name):
    """Design part 5: values and the time in, values out; no store, model or clock inside."""
    assert [module for module in all_imports(name) if module.startswith(OUTSIDE)] == []


@pytest.mark.parametrize("name", ENGINE_FILES)
def test_only_the_storage_and_those_who_open_it_import_chroma(name):
    """One place speaks to Chroma."""
    speaks = any(module.split(".")[0] == "chromadb" for module in all_imports(name))
    parts = ("memoryos_engine.storage.", "memoryos_engine.evaluation.")
    may = name.startswith(parts) or name in (
        "memoryos_engine.system",
        "memoryos_engine.system_protocol",
        "memoryos_engine.embedding.chroma_function",
    )

    assert may or not speaks


def test_no_module_imports_itself_in_a_circle():
    """Files read downward as data flows: loaded at run time, they form no cycle."""
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for module in sorted(runtime_imports(name)):
            visit(module)
        path.pop()
        done.add(name)

    for name in FILES:
        visit(name)

    assert done == set(FILES)


def test_distance_is_chromas_word_and_stays_with_it():
    """Style habit 4: ports speak similarity; the word occurs in storage/chroma.py only."""
    speakers = [name for name, file in FILES.items() if "distance" in file.read_text(encoding="utf-8").lower()]

    assert speakers == ["memoryos_engine.storage.chroma"]


def test_functions_are_short():
    """Style: median at most 8 lines, nine of ten at most 25, none above 60."""
    lengths = functions()
    lines = sorted(count for _, count in lengths)

    assert median(lines) <= 8
    assert quantiles(lines, n=10)[-1] <= 25
    assert [name for name, count in lengths if count > 60] == []


@pytest.mark.parametrize("name", [name for name in FILES if name not in DATA_TABLES])
def test_a_file_is_short_enough_to_be_read(name):
    """Style: one idea per file; tables of data aside."""
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_printed_but_by_those_who_talk_to_people(name):
    """Style habit 14: a library is silent."""
    calls = [node for node in ast.walk(tree(name)) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]

    assert prints == [] or any(part in name.rpartition(".")[2] for part in SPEAKERS)


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_what_it_is(name):
    """Style: each file opens with what it is and what it must not know."""
    assert ast.get_docstring(tree(name))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_named_by_its_idea(name):
    """Style habit 10: no utils, helpers, common, manager."""
    assert not {"utils", "util", "helpers", "common", "misc", "manager", "base_"}.intersection(name.split("."))


@pytest.mark.parametrize("name", FILES)
def test_the_clock_is_asked_in_one_place(name):
    """Style: aware UTC only; time is passed in."""
    calls = {ast.unparse(node.func) for node in ast.walk(tree(name)) if isinstance(node, ast.Call)}
    reads = calls.intersection({"datetime.now", "datetime.utcnow", "datetime.today", "time.time", "date.today"})

    assert reads == set() or name in ("memoryos_engine.clock", "memoryos_engine.storage.lock")
