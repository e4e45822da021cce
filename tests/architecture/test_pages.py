"""Pages are short, their commands can be typed, the map names every room, and figures that were counted still count."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest

from outbox import cli as outbox_cli
from strangler.cli import parser
from tests.architecture.test_docs import DOCUMENTS, ROOT, relative
from tests.pages.commands import commands_of

DOCS = ROOT / "docs"
SHORT = [page for kind in ("explanation", "guide", "howto", "tutorial") for page in sorted((DOCS / kind).glob("*.md"))]
TYPED = [(page, command) for page in DOCUMENTS for command in commands_of(page.read_text())]
PARSERS = {"outbox": outbox_cli.parser(), "strangler": parser()}


@pytest.mark.parametrize("page", SHORT, ids=relative)
def test_a_page_is_read_in_five_minutes(page: Path) -> None:
    assert len(page.read_text().split()) <= 900


@pytest.mark.parametrize(("page", "command"), TYPED, ids=lambda one: relative(one) if isinstance(one, Path) else one[1])
def test_a_command_can_be_typed(page: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(SystemExit):  # as `--help` ends
        PARSERS[command[0]].parse_args(command[1:])

    assert "error:" not in capsys.readouterr().err


def test_commands_are_found_where_pages_have_them() -> None:
    assert {page.parent.name for page, _ in TYPED} >= {"howto", "reference"}
    assert len(TYPED) > 40


def test_the_map_names_every_room_and_nothing_that_is_gone() -> None:
    text = (DOCS / "architecture.md").read_text()
    named = set(re.findall(r"`((?:outbox|strangler)(?:/[\w.]+)*)`", text))
    rooms = {
        str(path.parent.relative_to(ROOT))
        for top in ("outbox", "strangler")
        for path in (ROOT / top).rglob("__init__.py")
    }

    assert {room for room in rooms if not room.endswith("/versions")} <= named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_words_of_the_glossary_are_in_order_and_told_once() -> None:
    words = re.findall(r"^\| \*\*([^*]+)\*\*", (DOCS / "glossary.md").read_text(), re.MULTILINE)

    assert words == sorted(set(words), key=str.lower)


def test_the_lines_of_the_example_are_those_that_are_told() -> None:
    example = DOCS / "examples" / "desk"
    lines = {name: (example / f"{name}.py").read_text().splitlines() for name in ("desk", "mailer", "plan")}
    words = (
        r"import (Call|Strangled)|^@?strangled|^    +strangled\.|(subject_ref|version|ownership|key): |Idempotency-Key"
    )
    changed = [line for line in lines["desk"] if re.search(words, line)]
    costs = (DOCS / "explanation" / "costs.md").read_text()

    told = re.search(r"an application of (\d+) lines\]\S+ \| (\d+) of them, (\d+) of service, (\d+) of plan", costs)
    assert told is not None
    assert [int(one) for one in told.groups()] == [
        len(lines["desk"]),
        len(changed),
        len(lines["mailer"]),
        len(lines["plan"]),
    ]


def test_the_lines_of_the_sample_are_those_of_its_page() -> None:
    seams = (DOCS / "reference" / "seams.md").read_text()
    counted = re.findall(r"^\| \*\*.*\*\* \| \*\*(\d+)\*\* \|$", seams, re.MULTILINE)
    costs = (DOCS / "explanation" / "costs.md").read_text()

    assert "{} changed, {} of glue, {} of declarations".format(*counted) in costs
