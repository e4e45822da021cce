"""The generated pages of the reference are what the code says, and they leave nothing out."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from types import ModuleType

import pytest

import outbox
import strangler
from strangler.cli import parser
from tests.pages import api, commands, words
from tests.pages.__main__ import DOCS, PAGES
from tests.pages.cli import anchor, verbs
from tests.pages.decisions import FOLDER, REPLACED
from tests.pages.tables import ROOMS, statements
from tests.support import typed

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"""["']((?:OUTBOX|STRANGLER)_[A-Z][A-Z_]*[A-Z]|FACADE_PORT|LEGACY_URL|LEGACY_CA_FILE)["']""")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run: python -m tests.pages"


def test_every_verb_has_a_heading_that_its_row_leads_to() -> None:
    page = (DOCS / "reference" / "cli.md").read_text()
    headings = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}

    assert {f"strangler-{verb}" for verb, _, _ in verbs(parser())} <= headings
    assert set(re.findall(r"\(#([^)]+)\)", page)) <= headings


def test_every_public_name_has_a_heading_and_says_what_it_is() -> None:
    sections = dict(
        re.findall(r"^### (\S+)\n\n(.*?)(?=^##|\Z)", (DOCS / "reference" / "api.md").read_text(), re.M | re.S)
    )

    expected = {f"{module.__name__}.{name}" for module in (outbox, strangler) for name in module.__all__}
    assert sections.keys() == expected
    assert [name for name, text in sections.items() if "0x" in text or not text.strip()] == []


def test_every_variable_that_is_read_is_on_the_page_and_no_other() -> None:
    page = (DOCS / "reference" / "environment.md").read_text()
    sources = [path.read_text() for package in ("outbox", "strangler") for path in (ROOT / package).rglob("*.py")]
    read = {name for text in sources for name in VARIABLE.findall(text)}
    shown = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))

    assert {name for name in shown if not name.startswith("KAFKA_")} == read
    assert [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


def test_every_table_says_what_it_is_for() -> None:
    assert {name: set(room.tables) for room in ROOMS for name in [room.part.name]} == {
        room.part.name: {name for name, _ in statements(room)} for room in ROOMS
    }


def test_replaced_decisions_say_so_in_one_way_and_lead_to_a_newer_one() -> None:
    for decision in sorted(FOLDER.glob("0*.md")):
        third = decision.read_text().splitlines()[2]
        assert re.match(r"Superseded|Replaced(?! by \[)", third) is None, decision.name
        if found := REPLACED.match(third):
            assert (found[1] > decision.name[:4], (FOLDER / found[2]).exists()) == (True, True), decision.name


@pytest.mark.parametrize("module", [api, commands, typed, words], ids=lambda module: module.__name__)
def test_an_example_gives_what_it_says(module: ModuleType) -> None:
    result = doctest.testmod(module)

    assert (result.failed, result.attempted > 0) == (0, True)
