"""The house keeps its rooms small: 300 lines a module at most, 50 a function, a docstring each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("outbox", "strangler", "legacy_app", "new_services", "migrations", "tests", "benchmarks")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_fits_its_room(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)

    assert text.count("\n") <= 300
    for function in functions(tree):
        assert (function.end_lineno or function.lineno) - function.lineno < 50, f"{function.name} is too long"
    if tree.body:
        assert ast.get_docstring(tree), "a module says in a docstring what it is for"


def test_the_walk_finds_the_project() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} >= {"outbox", "strangler", "tests"}
    assert len(MODULES) > 40
