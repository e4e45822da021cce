"""`python -m tests.pages`: make the generated pages of docs/reference anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.pages import api, cli, environment, tables

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "api": api.page,
    "cli": cli.page,
    "environment": environment.page,
    "tables": tables.page,
}


def main() -> None:
    for name, page in PAGES.items():
        (REFERENCE / f"{name}.md").write_text(page())


if __name__ == "__main__":
    main()
