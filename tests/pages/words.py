"""Rows of tables in Markdown, and the first paragraph of a docstring."""

from __future__ import annotations

import inspect


def cell(text: str) -> str:
    r"""A text that stays in its cell.

    >>> cell("5%|500bp <NAME>")
    '5%\\|500bp &lt;NAME>'
    """
    return text.replace("|", "\\|").replace("<", "&lt;")


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def paragraph(documented: object) -> str:
    """The first one of a docstring, on one line; empty where there is none of its own."""
    return " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())
