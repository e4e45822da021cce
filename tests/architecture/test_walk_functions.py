"""The functions that the walk of one order names are there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.typed import ROOT
from tests.walk.__main__ import AFTER, read


def test_every_function_that_the_page_names_is_there() -> None:
    told = {name for names in read(AFTER).values() for name in names}
    files = {name.partition(": ")[0] for name in told}
    there = {f"{file}: {name}" for file in files for name in functions(ast.parse((ROOT / file).read_text()))}

    assert told - there == set(), "run: python -m tests.walk trace tests/walk/after.json, then page"


def functions(node: ast.AST, prefix: str = "") -> Iterator[str]:
    """As the page names them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield f"{prefix}{child.name}"
            yield from functions(child, f"{prefix}{child.name}.")
        else:
            yield from functions(child, prefix)
