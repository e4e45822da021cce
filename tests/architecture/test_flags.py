"""Verbs take numbers by `outbox.flags`: argparse's own int and float let through -1, nan, inf and a port of 99999."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from legacy_app.cli import main as legacy
from new_services.__main__ import main as services
from outbox import flags
from outbox.cli import main as outbox
from strangler.cli import main as strangler
from strangler.cli.stages import basis_points

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("outbox", "strangler", "legacy_app", "new_services")
BARE = {"int", "float", "complex", "Decimal"}
AUDIT = ("--actor", "ann", "--reason", "a drill")


def bare(code: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            for one in node.keywords:
                if one.arg == "type" and isinstance(one.value, ast.Name) and one.value.id in BARE:
                    yield node.lineno


def test_no_verb_takes_a_bare_number() -> None:
    paths = [path for library in PACKAGES for path in sorted((ROOT / library).rglob("*.py"))]
    assert [f"{path.relative_to(ROOT)}:{line}" for path in paths for line in bare(path.read_text())] == []


def test_the_look_sees_a_bare_one() -> None:
    code = "parser.add_argument('--a', type=int)\nparser.add_argument('--b', type=flags.count, default=float('1'))\n"
    assert list(bare(code)) == [1]


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", " ", "1_000", "٣", "²", "nan", "9" * 30, "9" * 5_000])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give 1 or more"):
        flags.count(text)


@pytest.mark.parametrize("text", ["-0.1", "nan", "inf", "-inf", "1e9", "1e999", "3600.1", "s", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give seconds, 0 to 3600"):
        flags.seconds()(text)


@pytest.mark.parametrize("text", ["0", "65536", "99999", "http"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give 1 to 65535"):
        flags.port(text)


@pytest.mark.parametrize("text", ["nan%", "sNaN%", "inf%", "1e999999%", "1e999999999999bp", "-1%", "101%", "5"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no share"):
        basis_points(text)


@pytest.mark.parametrize(
    "argv",
    [
        ["facade", "--port", "99999"],
        ["facade", "--workers", "0"],
        ["facade", "--read-timeout-s", "inf"],
        ["facade", "--body-limit-bytes", "-1"],
        ["history", "--limit", "-1"],
        ["hand-back", "mail", *AUDIT, "--timeout", "nan"],
        ["review", "list", "mail", "--limit", "-1"],
        ["effects", "list", "mail", "--limit", "0"],
        ["reconcile", "--timeout-s", "nan"],
        ["pressure", "--window-s", "0"],
        ["run", "mail", "--lanes", "-1"],
        ["up", "--facade-workers", "0"],
        ["plant", "dropped_row", "--step", "mail", "--database", "x", "--reason", "r", "--seed", "1.5"],
        ["quarantine", "list", "--limit", "-1"],
        ["quarantine", "replay", "a:t/0@1", *AUDIT, "--wait-s", "inf"],
        ["positions", "set", "a:t/0", *AUDIT, "--to-offset", "-1"],
        ["positions", "set", "a:t/0", *AUDIT, "--to-end", "--wait-s", "nan"],
    ],
    ids=" ".join,
)
def test_each_verb_refuses_it_by_the_flags_name(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert strangler(argv) == 2
    said = capsys.readouterr().err
    assert f"argument {argv[-2]}: {argv[-1]!r} is no such" in said
    if argv[0] in {"quarantine", "positions"}:
        assert outbox(argv) == 2
        assert f"argument {argv[-2]}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "argv"),
    [
        (legacy, ["replay", "--orders", "0"]),
        (legacy, ["replay", "--timeout-s", "nan"]),
        (legacy, ["replay", "--clients", "1e3"]),
        (legacy, ["nightly", "--hold-s", "601"]),
        (legacy, ["serve", "--workers", "0"]),
        (legacy, ["demo", "--orders", "-1"]),
        (services, ["plant", "dropped_mail", "--seed", "nan"]),
    ],
)
def test_so_do_the_samples_verbs(
    run: Callable[[Sequence[str]], int], argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv) == 2
    assert f"argument {argv[-2]}: {argv[-1]!r} is no such" in capsys.readouterr().err
