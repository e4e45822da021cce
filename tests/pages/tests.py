"""docs/reference/tests.md: what each file of tests shows, and the modules of ours that it opens."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.pages.modules import ROOT, first_line
from tests.pages.words import cell, row

OURS = ("outbox", "strangler", "legacy_app", "new_services", "migrations")
TOP = """# Tests

From a behaviour to its code: what each file of tests shows, in the words of its first line, and the modules that it
opens. A test that works from outside, by HTTP, SQL or a command, opens few. Made by `python -m tests.pages`. What is
proved about faults, and by which of these: [faults](faults.md).
"""


def page() -> str:
    """The whole page."""
    folders = sorted({one.parent for one in (ROOT / "tests").rglob("test_*.py")})
    return "\n".join([TOP, *(line for folder in folders for line in _files(folder))]) + "\n"


def opened(test: Path) -> list[str]:
    """Modules of ours that a file imports, as paths; of several of one package, each."""
    names = {
        one.module
        for one in ast.walk(ast.parse(test.read_text()))
        if isinstance(one, ast.ImportFrom) and one.module and one.module.partition(".")[0] in OURS
    }
    return sorted(f"{name.replace('.', '/')}{'.py' if _is_module(name) else ''}" for name in names)


def _is_module(name: str) -> bool:
    return (ROOT / f"{name.replace('.', '/')}.py").exists()


def _files(folder: Path) -> Iterator[str]:
    yield f"## {folder.relative_to(ROOT)}\n"
    yield row("File", "Shows", "Opens")
    yield "|---|---|---|"
    for test in sorted(folder.glob("test_*.py")):
        yield row(f"`{test.name}`", cell(first_line(test)), " ".join(f"`{one}`" for one in opened(test)))
    yield ""
