"""The count of lines that strangling changed in the monolith is true, published, and leaves a monolith without them."""

from __future__ import annotations

import ast

import pytest

from legacy_app.seam_lines import (
    DECLARATIONS,
    GLUE,
    HERE,
    MARK,
    MONOLITH,
    TOOLS,
    count_seam_lines,
    lines_of,
    strip,
    table,
)

PAGE = HERE.parent / "docs" / "reference" / "seams.md"
OF_THE_TOOLKIT = ("outbox", "strangler", *(f"legacy_app.{name.removesuffix('.py')}" for name in GLUE))


def imported(tree: ast.Module) -> set[str]:
    """Every module and name that an import statement reaches, dotted."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def test_the_published_count_is_the_true_one() -> None:
    published = PAGE.read_text()

    assert "\n".join(table(count_seam_lines())) in published, "run: python -m legacy_app seams"


@pytest.mark.parametrize("name", MONOLITH)
def test_without_its_seam_lines_a_module_compiles_and_knows_nothing_of_the_toolkit(name: str) -> None:
    text = strip((HERE / name).read_text())
    names = imported(ast.parse(text))

    compile(text, name, "exec")
    assert MARK not in text
    assert not [found for found in names if found.startswith(OF_THE_TOOLKIT)]


def test_the_walk_knows_every_module_that_the_served_monolith_needs() -> None:
    needed = {name for module in MONOLITH for name in imported(ast.parse(strip((HERE / module).read_text())))}
    ours = {
        name.removeprefix("legacy_app.").replace(".", "/") + ".py" for name in needed if name.startswith("legacy_app.")
    }

    assert {name for name in ours if (HERE / name).is_file()} <= set(MONOLITH)


def test_seam_lines_stand_nowhere_else() -> None:
    marked = {
        str(path.relative_to(HERE))
        for path in HERE.rglob("*.py")
        if any(line.endswith(MARK) for line in path.read_text().splitlines())
    }

    assert marked <= set(MONOLITH)
    assert not marked & set(GLUE)


def test_every_module_of_the_sample_is_counted_once_or_is_a_tool() -> None:
    rooms = ("cli", "data", "orders_file", "rehearsal", "replay", "vendors")
    found = {str(path.relative_to(HERE)) for path in HERE.rglob("*.py")}
    ours = sorted(name for name in found if name.partition("/")[0] not in rooms)

    assert sorted([*MONOLITH, *GLUE, *DECLARATIONS, *TOOLS]) == ours


def test_blank_lines_and_comments_do_not_count() -> None:
    assert lines_of('"""What it is."""\n\n# why\nx = 1  # seam\n') == 2
