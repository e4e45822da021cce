"""docs/reference/modules.md: every module of the packages and samples, by its room, in the words of its first line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.pages.words import cell, row

ROOT = Path(__file__).resolve().parents[2]
TOPS = ("outbox", "strangler", "legacy_app", "new_services", "migrations", "benchmarks")
TOP = """# Modules

Made of the first line of each module by `python -m tests.pages`. What the rooms are for, and which way data goes
through them: [architecture](../architecture.md). Names that a team imports: [public API](api.md).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([TOP, *(line for top in TOPS for line in _rooms(ROOT / top))]) + "\n"


def first_line(module: Path) -> str:
    """Of its docstring, without its stop; empty where it has none."""
    said = ast.get_docstring(ast.parse(module.read_text())) or ""
    return " ".join(said.split("\n\n")[0].split()).removesuffix(".")


def _rooms(top: Path) -> Iterator[str]:
    for folder in [top, *sorted(one for one in top.rglob("*") if one.is_dir())]:
        modules = [one for one in sorted(folder.glob("*.py")) if one.name != "__init__.py" and first_line(one)]
        about = first_line(folder / "__init__.py") if (folder / "__init__.py").exists() else ""
        if not modules:
            continue
        yield f"## {folder.relative_to(ROOT)}\n"
        if about:
            yield f"{cell(about)}.\n"
        yield row("Module", "")
        yield "|---|---|"
        yield from (row(f"`{one.name}`", cell(first_line(one))) for one in modules)
        yield ""
