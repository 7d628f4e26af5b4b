"""docs/security.md names tests as proofs: each has to exist, and each requirement has to have an answer."""

import ast
import re
from functools import cache

import pytest

from harness import ROOT

pytestmark = pytest.mark.render

PAGE = (ROOT / "docs" / "security.md").read_text()
TESTS = ROOT / "template" / "tests"
REFERENCE = re.compile(r"`([\w/]+\.py)((?:::\w+)+)`")
REQUIREMENT = re.compile(r"^\| \d+\.\d+\.\d+ \|.*$", re.MULTILINE)


@cache
def names_in(path: str) -> frozenset[str]:
    """Every class, test and test in a class, as pytest names them."""
    found = set()
    for node in ast.parse((TESTS / path).read_text()).body:
        if isinstance(node, ast.ClassDef):
            found.add(f"::{node.name}")
            inner = (it for it in node.body if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"::{node.name}::{it.name}" for it in inner}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(f"::{node.name}")
    return frozenset(found)


def test_names_only_tests_that_exist() -> None:
    references = REFERENCE.findall(PAGE)

    assert len(references) > 200
    assert [f"{path}{name}" for path, name in references if name not in names_in(path)] == []


def test_answers_every_requirement() -> None:
    rows = REQUIREMENT.findall(PAGE.partition("## Does not apply")[0])

    assert len(rows) == 122
    for row in rows:
        answer = row.split(" | ", 3)[3]
        assert (
            REFERENCE.search(answer)
            or "](" in answer
            or answer.startswith(("not met: ", "in part: ", "nothing to test: "))
        ), row
