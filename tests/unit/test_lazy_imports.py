"""What enters an old application loads nothing that it does not use, and names that are not there are said."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import outbox

HEAVY = ("psycopg", "psycopg2", "sqlalchemy", "alembic", "kafka", "flask", "requests", "crc32c", "cramjam")


@pytest.mark.parametrize(
    "statement",
    ["import outbox", "import outbox.event", "from outbox import Event, Policy, KafkaSettings", "import strangler"],
)
def test_an_import_loads_no_driver_and_no_client(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("statement", "loads"),
    [
        ("import outbox.appending", []),
        ("import strangler.sqlalchemy", ["sqlalchemy"]),
        ("import strangler.flask", ["sqlalchemy", "flask"]),
        ("from strangler import Call, seam", []),
    ],
)
def test_what_enters_a_monolith_brings_no_driver_along(statement: str, loads: list[str]) -> None:
    code = f"{statement}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == repr(loads)


@pytest.mark.parametrize("name", outbox.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(outbox, name) is not None


def test_append_is_a_function_whatever_was_imported_before() -> None:
    code = "import outbox.appending, outbox.relay.relay, outbox.testing\nfrom outbox import append\nprint(append)"
    said = subprocess.run([sys.executable, "-c", code], timeout=60, check=True, capture_output=True, text=True).stdout
    assert said.startswith("<function append")


def test_a_name_that_is_not_there_is_said_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Relai'; it has Consumer, .*Relay"):
        getattr(outbox, "Relai")  # noqa: B009 - mypy sees it


def test_the_surface_stays_small() -> None:
    assert len(outbox.__all__) <= 16


def test_the_reference_has_every_public_name_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "outbox.md").read_text()

    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == outbox.__all__
