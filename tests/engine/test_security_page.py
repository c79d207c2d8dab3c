"""Every claim of the security page ends in the tests that show it, and those exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import memoryos_engine

PAGE = (Path(memoryos_engine.__file__).parent / "SECURITY.md").read_text(encoding="utf-8")
ROOT = Path(__file__).parent.parent.parent
NO_CLAIMS = ("What no test of ours can show", "Reporting a problem")
"""Headings whose bullets need no test; all others do."""
REFERENCE = r"tests/[\w/]+\.py::test_\w+"
REFERENCES = re.compile(rf"\(({REFERENCE}(?:, {REFERENCE})*)\)$")


def claims_of(page: str) -> list[str]:
    """Return the bullets of a page, each on one line, but those under headings without claims."""
    claims = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE):
        if section.partition("\n")[0] not in NO_CLAIMS:
            outside = re.sub(r"^```.*?^```", "", section, flags=re.MULTILINE | re.DOTALL)
            claims += re.findall(r"^ *[-*+] .*(?:\n +(?![-*+] )\S.*)*", outside, re.MULTILINE)
    return [" ".join(claim.split()) for claim in claims]


def references_of(claim: str) -> list[str]:
    found = REFERENCES.search(claim)
    return found.group(1).split(", ") if found else []


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names of the test functions that stand at the top of a file, as pytest collects them."""
    if not file.is_file():
        return frozenset()
    found = ast.parse(file.read_text(encoding="utf-8")).body
    functions = (each.name for each in found if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in functions if name.startswith("test_"))


def broken(page: str) -> list[str]:
    """Return the claims of a page without a test, and the tests it names that do not exist."""
    claims = claims_of(page)
    bare = [claim for claim in claims if not references_of(claim)]
    named = {reference for claim in claims for reference in references_of(claim)} | set(re.findall(REFERENCE, page))
    gone = [each for each in named if each.partition("::")[2] not in names_in(ROOT / each.partition("::")[0])]
    return bare + sorted(gone)


def test_every_claim_of_the_page_names_tests_that_exist() -> None:
    assert len(claims_of(PAGE)) > 80
    assert broken(PAGE) == []


HERE = "tests/engine/test_security_page.py::test_every_claim_of_the_page_names_tests_that_exist"


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        (f"## Claims\n- It is safe. ({HERE})\n", []),
        (f"## Claims\n- It is\n  safe. ({HERE}, {HERE})\n", []),
        ("## Claims\n- It is safe.\n", ["- It is safe."]),
        ("## Claims\n- It is\n  safe.\n", ["- It is safe."]),
        ("## Claims\n\n* It is safe.\n", ["* It is safe."]),
        (f"## Claims\n- It is ({HERE}) safe.\n", [f"- It is ({HERE}) safe."]),
        ("## Claims\n- A. (tests/gone.py::test_a)\n", ["tests/gone.py::test_a"]),
        (f"## Claims\n- A. ({HERE}_not)\n", [f"{HERE}_not"]),
        (f"## Claims\n- A. ({HERE})\n  - And B.\n", ["- And B."]),
        ("- Before any heading.\n", ["- Before any heading."]),
        (f"## {NO_CLAIMS[0]}\n- Nobody knows.\n", []),
        ("## Claims\n```sh\n- no bullet\n```\n", []),
    ],
)
def test_what_is_wrong_with_a_page_is_named(page: str, wrong: list[str]) -> None:
    assert broken(page) == wrong


def test_each_reference_stands_once_in_a_claim() -> None:
    repeated = [claim for claim in claims_of(PAGE) if len(references_of(claim)) != len(set(references_of(claim)))]

    assert repeated == []
