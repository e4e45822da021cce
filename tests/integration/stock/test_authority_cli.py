"""Authority at the command line, and the moves of steps that depend on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from legacy_app.plan.authority import stock
from outbox.connection import PsycopgConnection
from strangler.cli import main
from strangler.errors import BadPlan
from strangler.shared_state import Holder, Shared, authorities
from strangler.step.intents import Json
from strangler.store import ensure_steps
from tests.integration.stock.plan import plan
from tests.integration.stock.rig import deliver, on_hand

PLAN_FILE = Path(__file__).with_name("plan.py")
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def connection(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as opened:
        ensure_steps(opened, plan)
        yield opened


@pytest.fixture
def typed(database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command: its exit code, stdout and stderr."""
    for name, value in {"STRANGLER_DSN": database, "STRANGLER_PLAN": str(PLAN_FILE), "USER": "ann"}.items():
        monkeypatch.setenv(name, value)

    def run(*argv: str) -> tuple[int, str, str]:
        code = main(argv)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def data(answer: tuple[int, str, str]) -> Json:
    assert answer[0] == 0, answer[2]
    return json.loads(answer[1])


def test_stock_is_shown_tried_moved_and_moved_back(connection: PsycopgConnection, typed: Type) -> None:
    deliver(connection, "legacy", {"A": 10, "B": 20})
    assert typed("authority", "show")[1].splitlines() == [
        "stock (pieces on hand, by SKU): kept by legacy, epoch 1; 2 skus, 30 pieces; needed by inventory, search",
        "velocity: written by search, but the plan does not declare how it is shared",
    ]

    command = ("authority", "move", "stock", "--to", "new", "--reason", "inventory is live")
    code, tried, _ = typed(*command, "--dry-run")
    assert (code, tried.splitlines()[0]) == (0, "would move stock: legacy -> new; 2 rows to copy")
    assert on_hand(connection, "new") == {}

    code, said, _ = typed(*command)
    lines = said.splitlines()
    assert code == 0
    assert lines[0] == "moved stock: legacy -> new, epoch 2"
    assert lines[1].startswith("copied 2 rows in 2 rounds, 0 of them under the fence, in ")
    assert lines[2:] == [
        "both sides count 2 skus, 30 pieces",
        "undo: strangler authority move stock --to legacy --reason ...",
    ]
    assert on_hand(connection, "new") == {"A": 10, "B": 20}

    back = data(typed("authority", "move", "stock", "--to", "legacy", "--reason", "no", "--actor", "bob", "--json"))
    assert (back["epoch"], back["dry_run"], back["evidence"]["sums"]["new"]) == (3, False, {"skus": 2, "pieces": 30})
    shown = data(typed("authority", "show", "--json"))
    assert [(one["resource"], one["holder"], one["epoch"]) for one in shown["resources"]] == [
        ("stock", "legacy", 3),
        ("velocity", "legacy", None),
    ]
    assert [(made["epoch"], made["actor"], made["reason"]) for made in shown["moves"]] == [
        (3, "bob", "no"),
        (2, "ann", "inventory is live"),
    ]


def test_a_refusal_says_what_to_do_and_ends_with_1(connection: PsycopgConnection, typed: Type) -> None:
    code, _, said = typed("authority", "move", "stock", "--to", "legacy", "--reason", "again")
    assert (code, said) == (1, "strangler: refused: stock is with legacy already; see `strangler authority show`\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("move", "water", "--to", "new", "--reason", "r"), "no shared 'water'; declared: stock"),
        (("move", "stock", "--to", "new", "--reason", " "), "argument --reason: ' ' says nothing"),
        (("move", "stock", "--to", "sideways", "--reason", "r"), "invalid choice: 'sideways'"),
        (("move", "stock", "--to", "new"), "--reason"),
        ((), "VERB"),
    ],
)
def test_bad_usage_ends_with_2(connection: PsycopgConnection, typed: Type, argv: tuple[str, ...], said: str) -> None:
    code, _, error = typed("authority", *argv)
    assert code == 2
    assert said in error


def test_a_step_ramps_once_what_it_shares_is_declared_and_in_the_database(
    connection: PsycopgConnection, typed: Type
) -> None:
    for step in ("inventory", "search"):
        assert typed("advance", step, "--to", "shadow", "--reason", "watch")[0] == 0
    connection.execute("DELETE FROM strangler.authority")

    ramp = ("advance", "inventory", "--ramp", "5%", "--anyway", "--reason", "a few")
    code, _, said = typed(*ramp)
    assert (code, said) == (
        1,
        "strangler: refused: nobody has authority over 'stock' in this database; `strangler migrate` adds it\n",
    )
    assert typed("migrate")[0] == 0
    assert typed(*ramp)[0] == 0

    code, _, said = typed("advance", "search", "--ramp", "5%", "--anyway", "--reason", "a few")
    assert code == 1
    assert "refused: search writes 'velocity', which the plan does not declare; declare in the plan's `shared`" in said


def test_what_is_missing_never_stands_in_the_way_back(connection: PsycopgConnection, typed: Type) -> None:
    for argv in (("--to", "shadow"), ("--ramp", "5%")):
        assert typed("advance", "inventory", *argv, "--anyway", "--reason", "go")[0] == 0
    connection.execute("DELETE FROM strangler.authority")
    assert typed("rollback", "inventory", "--to", "legacy", "--reason", "back")[0] == 0


def test_a_step_does_not_retire_while_legacy_keeps_its_stock(connection: PsycopgConnection, typed: Type) -> None:
    for argv in (("--to", "shadow"), ("--ramp", "100%"), ("--to", "live")):
        assert typed("advance", "inventory", *argv, "--anyway", "--reason", "go")[0] == 0

    retire = ("advance", "inventory", "--to", "retired", "--anyway", "--reason", "gone")
    code, _, said = typed(*retire)
    assert code == 1
    assert "'stock' is still with legacy; `strangler authority move stock --to new` comes first" in said

    assert typed("authority", "move", "stock", "--to", "new", "--reason", "first")[0] == 0
    assert typed(*retire)[0] == 0
    assert typed("authority", "move", "stock", "--to", "legacy", "--reason", "back")[0] == 1
    assert authorities(connection)["stock"].holder == "new"


def test_a_resource_that_no_step_writes_is_a_contradiction() -> None:
    with pytest.raises(BadPlan, match="'stock' is declared as shared, but no step writes it"):
        replace(plan, steps=tuple(replace(step, shared=()) for step in plan.steps))


@pytest.mark.parametrize(
    "one_way",
    [
        replace(stock, copy_to={Holder.NEW: stock.copy_to[Holder.NEW]}),
        replace(stock, tally={Holder.NEW: stock.tally[Holder.NEW]}),
    ],
)
def test_a_plan_whose_shared_state_could_not_come_back_is_refused(one_way: Shared) -> None:
    with pytest.raises(BadPlan, match="'stock' could not be moved to legacy; give its copy_to and tally"):
        replace(plan, shared={"stock": one_way})
