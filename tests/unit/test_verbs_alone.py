"""A call of a command imports the module of its verb alone: every verb has its module, and none is lost."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from outbox import cli as outbox_cli
from outbox.command import modules_of
from outbox.verbs.call import VerbParser as OutboxVerbParser
from strangler import cli as strangler_cli
from strangler.cli.common import VALUED_FLAGS, VerbParser

VERBS = strangler_cli.VERBS
# As a parser of the command knows them beside its verbs.
OF_ITSELF = frozenset({"--help", "--version"})


def verbs_of(top: argparse.ArgumentParser) -> tuple[str, ...]:
    (choices,) = [one.choices for one in top._actions if isinstance(one, argparse._SubParsersAction)]
    assert isinstance(choices, dict)
    return tuple(choices)


@pytest.mark.parametrize("module", VERBS)
def test_each_module_of_strangler_has_the_verbs_that_it_is_imported_for(module: str) -> None:
    assert verbs_of(strangler_cli.parser([module])) == VERBS[module]


@pytest.mark.parametrize("module", outbox_cli.VERBS)
def test_each_module_of_outbox_has_the_verbs_that_it_is_imported_for(module: str) -> None:
    assert verbs_of(outbox_cli.parser([module])) == outbox_cli.VERBS[module]


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
    assert list(modules_of(argv, VERBS, VALUED_FLAGS)) == modules


def valued(top: argparse.ArgumentParser) -> set[str]:
    flags = {flag for one in top._actions if one.nargs is None for flag in one.option_strings}
    return flags - OF_ITSELF


def test_the_flags_that_take_a_value_and_may_stand_before_the_verb_are_known() -> None:
    assert valued(VerbParser(prog="strangler")) == VALUED_FLAGS
    assert valued(outbox_cli.parser([])) <= outbox_cli.VALUED_FLAGS == valued(OutboxVerbParser(prog="outbox"))


@pytest.mark.parametrize(
    ("command", "argv"), [("strangler", ["policy", "show"]), ("strangler", ["status"]), ("outbox", ["migrate"])]
)
def test_a_verb_that_asks_no_kafka_imports_none(command: str, argv: list[str]) -> None:
    code = (
        f"import sys; import {command}.cli as cli; from outbox.command import modules_of;"
        f"cli.parser(modules_of({argv!r}, cli.VERBS, cli.VALUED_FLAGS));"
        "print(*sorted({'kafka', 'gunicorn', 'alembic', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
