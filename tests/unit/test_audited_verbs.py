"""Whoever changes something for good says who they are and why; a blank is no word."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from outbox.errors import ConfigurationError
from outbox.told import Told
from strangler.cli import main, parser
from strangler.cli.common import Invocation

BLANKS = ("", " ", "\t\n", "\u200b", "\u3000", "...", "a\0", "caf\udce9")


def leaves(one: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every verb, and the flags that it takes."""
    below = [action for action in one._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for name, sub in action.choices.items():
            yield from leaves(sub, (*path, name))
    if not below:
        yield path, [flag for action in one._actions for flag in action.option_strings]


AUDITED = [path for path, flags in leaves(parser()) if {"--reason", "--actor"} <= set(flags)]


def test_these_verbs_are_audited() -> None:
    assert {
        "advance",
        "rollback",
        "hand-back",
        "authority move",
        "quarantine fix",
        "quarantine replay",
        "quarantine discard",
        "positions accept",
        "positions set",
        "review clear",
        "review refuse",
        "effects done",
        "effects refused",
        "effects again",
        "claims release",
    } <= {" ".join(path) for path in AUDITED}


@pytest.mark.parametrize("flag", ["--reason", "--actor"])
@pytest.mark.parametrize("verb", AUDITED, ids=" ".join)
def test_a_blank_is_refused(verb: tuple[str, ...], flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    for blank in BLANKS:
        assert main([*verb, f"{flag}={blank}"]) == 2
        assert f"argument {flag}: " in capsys.readouterr().err


@pytest.mark.parametrize("blank", BLANKS)
def test_functions_refuse_it_too(blank: str) -> None:
    for who, why in ((blank, "because"), ("ann", blank)):
        with pytest.raises(ConfigurationError, match="the audit needs"):
            Told(who, why)
    assert Told("Ann", "Bestellung 7") == Told("Ann", "Bestellung 7")


def test_who_says_no_name_is_whose_process_it_is() -> None:
    args = argparse.Namespace(actor=None)
    assert Invocation(args, {"USER": "ann"}).actor == "ann"
    assert Invocation(args, {}).actor not in ("", "unknown")
