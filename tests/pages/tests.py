"""docs/reference/tests.md: every behaviour that a test shows, and the modules of ours that its file opens."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.pages.modules import ROOT, first_line

OURS = ("outbox", "strangler", "legacy_app", "new_services", "migrations")
TOP = """# Tests

From a behaviour to its code: search for its words. Each file of tests says what it shows and which modules it or its
rig opens: what it reaches at first hand, for the rest see the room. Then come the behaviours, as its tests are called.
Made by `python -m tests.pages`. What is proved about faults, and by which of these: [faults](faults.md).
"""


def page() -> str:
    """The whole page."""
    folders = sorted({one.parent for one in (ROOT / "tests").rglob("test_*.py")})
    return "\n".join([TOP, *(line for folder in folders for line in _files(folder))]) + "\n"


def opened(test: Path) -> list[str]:
    """Modules of ours that a file imports, or a rig of its that is no support of all; of a package, where the name is
    from.
    """
    found: set[str] = set()
    for one in ast.walk(ast.parse(test.read_text())):
        if isinstance(one, ast.ImportFrom) and one.module:
            top = one.module.partition(".")[0]
            if top in OURS:
                found |= {_place(one.module, alias.name) for alias in one.names}
            elif top == "tests" and not one.module.startswith("tests.support") and _is_module(one.module):
                found |= set(opened(ROOT / f"{one.module.replace('.', '/')}.py"))
    return sorted(found)


def _place(module: str, name: str) -> str:
    """Of the module that defines the name, as far as that can be told."""
    if _is_module(module):
        return f"{module.replace('.', '/')}.py"
    if _is_module(f"{module}.{name}"):
        return f"{module.replace('.', '/')}/{name}.py"
    home = str(getattr(getattr(import_module(module), name), "__module__", module))
    home = home if home.partition(".")[0] in OURS else module
    return f"{home.replace('.', '/')}{'.py' if _is_module(home) else ''}"


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
