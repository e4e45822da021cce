"""Documents that rot are worse than none: links resolve, commands exist, decisions stay short, secrets stay out."""

import re
from pathlib import Path

import pytest

from strangler.cli import parser

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#|mailto:)([^)#\s]+)")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document: Path) -> None:
    broken = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]

    assert broken == []


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
