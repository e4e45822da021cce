"""docs/decisions/README.md: a line for each decision, and what became of those that were replaced."""

from __future__ import annotations

import re
from pathlib import Path

from tests.pages.words import row

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"
REPLACED = re.compile(r"^Replaced by \[(\d{4})\]\(([^)]+)\)", re.MULTILINE)
TOP = """# Decisions

A page per decision, also for a "no": context, choice, cost, when to look again. At most 40 lines each. A newer page may
replace an older one; then the older one says so in its third line. This list is made by `python -m tests.pages`.

| | Decision | |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return TOP + "\n".join(line(one) for one in sorted(FOLDER.glob("0*.md"))) + "\n"


def line(decision: Path) -> str:
    text = decision.read_text()
    title = text.partition("\n")[0].removeprefix("# ")
    replaced = REPLACED.search(text)
    state = f"replaced by [{replaced[1]}]({replaced[2]})" if replaced else ""
    return row(title[:4], f"[{title[5:]}]({decision.name})", state)
