"""A message that names a page names one that is there, and its heading."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.pages.cli import anchor

ROOT = Path(__file__).resolve().parents[2]
PAGE = re.compile(r"\bdocs/[\w/.-]+?\.md(?:#[\w-]+)?")
NUMBERED = re.compile(r"\bdocs/decisions/(\d{4})(?!\d|-)")
PACKAGES = ("outbox", "strangler", "legacy_app", "new_services")


def named() -> Iterator[tuple[str, str]]:
    """Where, and the page or the decision."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for text in texts(ast.parse(path.read_text())):
                yield from ((str(path.relative_to(ROOT)), page) for page in PAGE.findall(text))


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text of a module; the parts of a formatted one are put together around what is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def problem(page: str) -> str | None:
    name, _, heading = page.partition("#")
    if not (ROOT / name).is_file():
        return f"{name} is not there"
    headings = {anchor(found) for found in re.findall(r"^#+ (.+)$", (ROOT / name).read_text(), re.MULTILINE)}
    return f"{name} has no heading #{heading}" if heading and heading not in headings else None


def test_every_page_that_a_message_names_is_there_with_its_heading() -> None:
    found = sorted(set(named()))

    assert {page for _, page in found if "#" in page} != set()
    assert [f"{path}: {wrong}" for path, page in found if (wrong := problem(page))] == []


def test_every_decision_that_the_code_names_by_number_is_there() -> None:
    numbers = {page.name[:4] for page in (ROOT / "docs" / "decisions").glob("0*.md")}
    sources = [*(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")), ROOT / "pyproject.toml"]

    assert {number for path in sources for number in NUMBERED.findall(path.read_text())} <= numbers


def test_what_leads_nowhere_is_named() -> None:
    gone, no_heading = "docs/howto/gone.md", "docs/howto/wal-and-slots.md#gone"

    assert (problem(gone), problem(no_heading)) == (
        f"{gone} is not there",
        "docs/howto/wal-and-slots.md has no heading #gone",
    )
    assert list(texts(ast.parse('raise Error(f"no {slot}: " "docs/a.md" f"#{heading}")'))) != []
