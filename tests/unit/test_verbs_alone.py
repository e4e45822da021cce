"""A call of `strangler` imports the module of its verb alone: every verb has its module, and none is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

from strangler.cli import VERBS, modules_of, parser
from strangler.cli.common import VALUED_FLAGS, VerbParser


def verbs_of(top: VerbParser) -> dict[str, object]:
    (choices,) = [one.choices for one in top._actions if one.dest == "verb"]
    assert isinstance(choices, dict)
    return choices


@pytest.mark.parametrize("module", VERBS)
def test_each_module_has_the_verbs_that_it_is_imported_for(module: str) -> None:
    assert tuple(verbs_of(parser([module]))) == VERBS[module]


@pytest.mark.parametrize(
    ("argv", "modules"),
    [
        (["status"], ["stages"]),
        (["--json", "--plan", "check", "status", "--dsn", "x"], ["stages"]),
        (["--plan=check", "quarantine", "list"], ["consumers"]),
        ([], list(VERBS)),
        (["--help"], list(VERBS)),
        (["nothing"], list(VERBS)),
        (["--plan"], list(VERBS)),
    ],
)
def test_the_verb_of_a_call_is_its_first_word_that_belongs_to_no_flag(argv: list[str], modules: list[str]) -> None:
    assert list(modules_of(argv)) == modules


def test_the_shared_flags_that_take_a_value_are_known() -> None:
    top = VerbParser(prog="strangler")
    valued = {flag for one in top._actions if one.nargs is None for flag in one.option_strings if one.dest != "version"}
    assert valued == VALUED_FLAGS


def test_a_verb_that_asks_no_kafka_and_nobody_by_http_imports_neither() -> None:
    code = (
        "import sys; from strangler.cli import main, modules_of, parser; parser(modules_of(['policy', 'show']));"
        "print(*sorted({'kafka', 'requests', 'gunicorn', 'alembic', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
