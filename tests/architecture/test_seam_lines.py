"""The count of lines that strangling changed in the monolith is true, published, and leaves a monolith without them."""

from __future__ import annotations

import ast

import pytest

from legacy_app.seam_lines import (
    DECLARATIONS,
    FOUND,
    GLUE,
    HERE,
    MARK,
    MONOLITH,
    changed_lines,
    count_seam_lines,
    is_changed,
    lines_of,
    strip,
    table,
)

PAGE = HERE.parent / "docs" / "reference" / "seams.md"
MODULES = sorted(str(path.relative_to(HERE)) for path in (HERE / MONOLITH).rglob("*.py"))
OF_THE_TOOLKIT = ("outbox", "strangler", f"legacy_app.{GLUE}", f"legacy_app.{DECLARATIONS}")


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


def test_strangling_stays_small() -> None:
    count = count_seam_lines()

    assert count.changed <= 40
    assert count.glue + count.declarations <= 850


@pytest.mark.parametrize("name", MODULES)
def test_without_its_seam_lines_a_module_compiles_and_knows_nothing_of_the_toolkit(name: str) -> None:
    text = strip((HERE / name).read_text())
    names = imported(ast.parse(text))

    compile(text, name, "exec")
    assert MARK not in text
    assert FOUND not in text
    assert not [found for found in names if found.startswith(OF_THE_TOOLKIT)]


def test_as_found_the_monolith_needs_nothing_from_outside_its_room() -> None:
    needed = {name for module in MODULES for name in imported(ast.parse(strip((HERE / module).read_text())))}
    ours = {name for name in needed if name.startswith("legacy_app")}

    assert {name for name in ours if not name.startswith(f"legacy_app.{MONOLITH}")} == set()


def test_seam_lines_stand_nowhere_else() -> None:
    marked = {
        str(path.relative_to(HERE))
        for path in HERE.rglob("*.py")
        if path.name != "seam_lines.py" and any(map(is_changed, path.read_text().splitlines()))
    }

    assert marked <= set(MODULES)


def test_blank_lines_and_comments_do_not_count() -> None:
    assert lines_of('"""What it is."""\n\n# why\nx = 1  # seam\n') == 2


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("x = 1\n", 0),
        ("x = 1  # seam\n", 1),
        ("    # found: x = 1\n", 1),
        ("# found: x = 1\nx = 2  # seam\n", 1),  # one in the place of the other
        ("# found: x = 1\n# found: y = 1\n\nx = 2  # seam\n", 2),
        ("x = 1  # seam\ny = 1\n# found: z = 1\n", 2),  # far from each other
    ],
)
def test_a_line_in_the_place_of_another_counts_once(text: str, changed: int) -> None:
    assert changed_lines(text) == changed


def test_what_was_taken_away_comes_back() -> None:
    assert strip("def f():\n    # found: return 1\n    return 2  # seam\n") == "def f():\n    return 1\n"
