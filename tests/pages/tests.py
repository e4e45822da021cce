"""docs/reference/tests.md: every behaviour that a test shows, and the modules of ours that its file opens."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.pages.modules import ROOT, first_line

OURS = ("outbox", "strangler", "legacy_app", "new_services", "migrations")
TOP = """# Tests

From a behaviour to its code: search for its words. Each file of tests says what it shows and which modules it opens
(one that works from outside, by HTTP, SQL or a command, opens few), then come the behaviours, as its tests are called.
Made by `python -m tests.pages`. What is proved about faults, and by which of these: [faults](faults.md).
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


def behaviours(test: Path) -> list[str]:
    """The names of its tests, as sentences."""
    tree = ast.parse(test.read_text())
    names = [one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")]
    return [name.removeprefix("test_").replace("_", " ") for name in names]


def _files(folder: Path) -> Iterator[str]:
    yield f"## {folder.relative_to(ROOT)}\n"
    for test in sorted(folder.glob("test_*.py")):
        opens = ", ".join(f"`{one}`" for one in opened(test))
        yield f"**`{test.name}`** {first_line(test)}.{' Opens ' if opens else ''}{opens}\n"
        yield "".join(f"- {one}\n" for one in behaviours(test))
