"""How many lines it took to strangle an application of others, as the page says it."""

from __future__ import annotations

import pytest

from tests.strangers.__main__ import APPLICATIONS
from tests.strangers.installed import lines_taken
from tests.strangers.running import HERE

PAGE = HERE.parents[1] / "docs" / "reference" / "strangers.md"
TAIL = 70


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_step_of_the_tail_takes_at_most_seventy_lines_and_the_page_has_them(name: str) -> None:
    lines = lines_taken(name, APPLICATIONS[name][1])

    assert sum(lines.values()) <= TAIL
    page = PAGE.read_text()
    assert f"| {name} | {APPLICATIONS[name][0]} | {sum(lines.values())} |" in page
    section = page.lower().partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert [what for what, number in lines.items() if f"| {what} | {number} |" not in section] == []
