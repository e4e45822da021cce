"""The site is strict: a link, an anchor or a path that leads nowhere fails, and what leaves docs/ is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FINE = """# Home

Text before a list:
- [a page](page.md#a-heading), [a file](../pyproject.toml), [a folder](../outbox)

```
- no list
```
"""


def built(folder: Path, home: str) -> tuple[int, str, str]:
    """Exit code, what was said, and the home page, of a site with one page more, made by the project's own settings."""
    (folder / "docs").mkdir()
    (folder / "docs" / "README.md").write_text(home)
    (folder / "docs" / "page.md").write_text("# A page\n\n## A heading\n")
    for name in ("pyproject.toml", "outbox", "tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text())
    argv = [sys.executable, "-m", "mkdocs", "build"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    page = folder / "site" / "index.html"
    return done.returncode, done.stderr, page.read_text() if page.exists() else ""


def test_a_page_reads_as_in_the_repository(tmp_path: Path) -> None:
    code, said, page = built(tmp_path, FINE)

    assert code == 0, said
    assert '<a href="page.html#a-heading">a page</a>' in page
    assert "a file (<code>pyproject.toml</code>)" in page
    assert "a folder (<code>outbox</code>)" in page
    assert (page.count("<li>\n<a href"), "- no list" in page) == (0, True)
    assert "<ul>\n<li><a href" in page


@pytest.mark.parametrize(
    ("spoiled", "named"),
    [("page.md#a-heading", "page.md#gone"), ("page.md", "gone.md"), ("../pyproject.toml", "../gone.toml")],
)
def test_what_leads_nowhere_fails_and_is_named(tmp_path: Path, spoiled: str, named: str) -> None:
    code, said, _ = built(tmp_path, FINE.replace(spoiled, named))

    assert code == 1
    assert named.removeprefix("page.md") in said
