"""Documents that rot are worse than none: links resolve, commands exist, decisions stay short, secrets stay out."""

import re
from pathlib import Path

import pytest

from strangler.cli import parser
from tests.pages.cli import anchor

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
FILE = re.compile(
    r"`((?:outbox|strangler|legacy_app|new_services|tests|migrations|benchmarks|docs)/[\w/.-]+)(?:::\w+)?`"
)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document: Path) -> None:
    links = [
        (document.parent / name if name else document, heading) for name, heading in LINK.findall(document.read_text())
    ]

    assert [str(target) for target, _ in links if not target.exists()] == []
    assert [f"{target}#{heading}" for target, heading in links if heading and heading not in headings(target)] == []


def headings(page: Path) -> set[str]:
    """As a link names them."""
    return {anchor(found) for found in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


def test_a_link_to_a_heading_that_is_gone_is_seen(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# A page\n[here](#a-page) [gone](#b-page) [there](page.md#c)\n")

    with pytest.raises(AssertionError, match=r"(?s)2 more items.*page.md#b-page"):
        test_links_lead_somewhere(tmp_path / "page.md")


def test_every_page_is_reached_by_links_from_the_first_one() -> None:
    reached, left = set[Path](), [ROOT / "docs" / "README.md"]
    while left:
        page = left.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            left += [(page.parent / name).resolve() for name, _ in LINK.findall(page.read_text()) if name]

    assert [relative(page) for page in (ROOT / "docs").rglob("*.md") if page not in reached] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_files_that_a_page_names_are_there(document: Path) -> None:
    assert [name for name in FILE.findall(document.read_text()) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("0*.md")), ids=relative)
def test_a_decision_is_one_short_page(page: Path) -> None:
    text = page.read_text()

    assert text.count("\n") <= 40
    for part in ("**Context.**", "**Choice.**", "**Cost.**", "**Look again**"):
        assert part in text


def test_each_decision_has_its_number_to_itself() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("0*.md"))

    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    assert [page.read_text()[2:6] for page in pages] == [page.name[:4] for page in pages]


def readme_verbs() -> list[str]:
    return sorted(set(re.findall(r"^\s*(?:\.venv/bin/)?strangler ([a-z-]+)", (ROOT / "README.md").read_text(), re.M)))


def readme_targets() -> list[str]:
    return sorted(set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text())))


def test_the_readme_leads_with_the_two_commands() -> None:
    assert {"demo", "test"} <= set(readme_targets())


@pytest.mark.parametrize("verb", readme_verbs())
def test_each_strangler_verb_of_the_readme_exists(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([verb, "--help"])

    assert (ended.value.code, capsys.readouterr().out.startswith(f"usage: strangler {verb}")) == (0, True)


@pytest.mark.parametrize("target", readme_targets())
def test_each_make_target_of_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
