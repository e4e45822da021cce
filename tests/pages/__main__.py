"""`python -m tests.pages`: make the generated pages of docs/ anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.pages import api, cli, decisions, environment, modules, tables, tests

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES: Mapping[str, Callable[[], str]] = {
    "decisions/README.md": decisions.page,
    "reference/api.md": api.page,
    "reference/cli.md": cli.page,
    "reference/environment.md": environment.page,
    "reference/modules.md": modules.page,
    "reference/tables.md": tables.page,
    "reference/tests.md": tests.page,
}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
