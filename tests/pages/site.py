"""A hook of the site: links that leave docs/ become the path in the repository; a list needs no blank line.

mkdocs itself fails on links and anchors inside of docs/. GitHub reads CommonMark, where a list may follow a line of
text at once; the site's Markdown wants a blank line between.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

LINK = re.compile(r"\[([^\]]*)\]\((?!https?://|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
ITEM = re.compile(r"(?:[-*]|\d+\.) ")
log = logging.getLogger("mkdocs.hooks.site")


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page as the site's Markdown needs it. A path that is not there is a warning, which fails the strict build."""
    source = Path(config.docs_dir, page.file.src_uri)
    return "\n".join(spaced(LINK.sub(lambda link: inside(link, source, Path(config.docs_dir)), markdown).split("\n")))


def inside(link: re.Match[str], source: Path, docs: Path) -> str:
    """The link as it is, or what it names: a file of the repository that is no page."""
    target = Path(os.path.normpath(source.parent / link[2]))
    if target.is_relative_to(docs) and not target.is_dir():
        return link[0]
    if not target.exists():
        log.warning("%s links to %s, which is not there", source, link[2])
    path = target.relative_to(docs.parent)
    return f"{link[1]} (`{path}`)" if str(path) not in link[1] else link[1]


def spaced(lines: list[str]) -> list[str]:
    """With a blank line before a list that follows a line of text."""
    made: list[str] = []
    fenced = False
    for line in lines:
        fenced ^= line.startswith("```")
        before = made[-1] if made else ""
        if not fenced and ITEM.match(line) and before.strip() and not before.startswith(" ") and not ITEM.match(before):
            made.append("")
        made.append(line)
    return made
