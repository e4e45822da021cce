"""The command line as people and scripts meet it: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.cli import main
from strangler.step.intents import Json
from tests.integration.stages.conftest import PLAN_FILE, pin
from tests.integration.stages.legacy import Monolith

ROOT = Path(__file__).resolve().parents[3]
Environ = dict[str, str]


def strangler(*argv: str, environ: Mapping[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("STRANGLER_")}
    return subprocess.run(
        [sys.executable, "-m", "strangler", *argv],
        env={**own, "PYTHONPATH": str(ROOT), "USER": "ann", **environ},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def data(*argv: str, environ: Mapping[str, str], code: int = 0) -> Json:
    ended = strangler(*argv, "--json", environ=environ)
    assert ended.returncode == code, ended.stderr
    return json.loads(ended.stdout)


def test_a_step_is_walked_and_each_verb_says_how_to_undo_it(environ: Environ) -> None:
    forward = strangler("advance", "search", "--reason", "watch it", environ=environ)
    assert (forward.returncode, forward.stderr) == (0, "")
    assert forward.stdout.splitlines() == [
        "moved search: legacy -> shadow, epoch 2",
        "undo: strangler rollback search --reason ...",
    ]

    ramp = data(
        *("advance", "search", "--ramp", "2.5%", "--reason", "a few", "--actor", "bob", "--anyway"), environ=environ
    )
    assert ramp["moves"] == [{"step": "search", "from_stage": "shadow", "to_stage": "ramp", "from_bp": 0, "to_bp": 250}]
    back = data("rollback", "search", "--to", "legacy", "--reason", "no", environ=environ)
    assert back["epochs"] == [4, 5]

    moves = data("history", environ=environ)["moves"]
    assert [(made["epoch"], made["actor"], made["reason"]) for made in moves] == [
        (5, "ann", "no"),
        (4, "ann", "no"),
        (3, "bob", "a few"),
        (2, "ann", "watch it"),
    ]


def test_status_says_where_everything_is_and_what_comes_next(environ: Environ, connection: PsycopgConnection) -> None:
    strangler("advance", "search", "--reason", "watch it", environ=environ)
    pin(connection, "order-1")
    pin(connection, "order-2")

    status = data("status", environ=environ)
    lines = strangler("status", environ=environ).stdout.splitlines()

    assert (status["epoch"], status["subjects"], status["strangers"]) == (2, 2, [])
    steps = {step["step"]: step for step in status["steps"]}
    assert list(steps) == ["payment", "notification", "search"]
    assert steps["search"]["subjects"] == {"shadow": 2}
    assert steps["notification"]["subjects"] == {"legacy": 2}
    assert steps["search"]["last"]["reason"] == "watch it"
    assert lines[0] == "epoch 2, 2 orders pinned"
    assert any("strangler advance search --ramp 5% --reason ..." in line for line in lines)


def test_hand_back_reports_its_orders(environ: Environ, monolith: Monolith, connection: PsycopgConnection) -> None:
    for argv in (["--to", "shadow"], ["--ramp", "100%"]):
        strangler("advance", "search", *argv, "--anyway", "--reason", "go", environ=environ)
    pin(connection, "order-1")
    monolith.orders = {"order-1"}
    strangler("rollback", "search", "--reason", "back", environ=environ)

    tried = data("hand-back", "search", "--reason", "back", "--dry-run", environ=environ)
    done = data("hand-back", "search", "--reason", "back", environ=environ)

    assert tried == {"dry_run": True, "unstarted": 1}
    assert (done["handed_back"], done["failed"]) == (1, 0)
    assert data("status", environ=environ)["steps"][2]["subjects"] == {"legacy": 1}


def test_a_hand_back_that_could_not_finish_is_a_finding(environ: Environ, connection: PsycopgConnection) -> None:
    for argv in (["--to", "shadow"], ["--ramp", "100%"]):
        strangler("advance", "search", *argv, "--anyway", "--reason", "go", environ=environ)
    pin(connection, "order-1")
    strangler("rollback", "search", "--reason", "back", environ=environ)

    down = {**environ, "LEGACY_URL": "http://127.0.0.1:1"}
    outcome = data("hand-back", "search", "--reason", "back", "--timeout", "0.3", environ=down, code=1)

    assert outcome["failed"] == 1


@pytest.mark.parametrize("argv", [["advance", "search"], ["rollback", "search"]])
def test_a_dry_run_changes_nothing(environ: Environ, argv: list[str]) -> None:
    strangler("advance", "search", "--reason", "watch it", environ=environ)
    extra = ["--ramp", "5%", "--anyway"] if argv[0] == "advance" else []

    ended = strangler(*argv, *extra, "--reason", "try", "--dry-run", environ=environ)

    assert ended.returncode == 0
    assert ended.stdout.startswith("would move search: shadow -> ")
    assert data("status", environ=environ)["epoch"] == 2


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["advance", "serach", "--reason", "x"], 2, "known steps: payment, notification, search"),
        (["advance", "search", "--to", "lvie", "--reason", "x"], 2, "'live'"),
        (["advance", "search", "--ramp", "5", "--reason", "x"], 2, "write 5%, 2.5% or 500bp"),
        (["advance", "search"], 2, "--reason"),
        (["advance", "search", "--reason", " "], 2, "the audit needs words"),
        (["advance", "search", "--to", "live", "--reason", "x"], 1, "go to shadow first"),
        (["advance", "payment", "--reason", "x"], 1, "nobody has built payment's new side"),
        (["hand-back", "payment", "--reason", "x"], 1, "nobody has built payment's new side"),
        (["rollback", "search", "--reason", "x"], 1, "nothing behind it"),
        (["history", "--limit", "0"], 2, "give 1 or more"),
        (["status", "--plan", "no/such/plan.py"], 2, "no plan file at no/such/plan.py"),
        (["status", "--dsn", "mysql://here"], 2, "postgresql://"),
        (["status", "--dsn", "postgresql://127.0.0.1:1/none"], 3, "check that it runs"),
        (["status", "--stack", "no/such/stack.json"], 2, "no running stack at no/such/stack.json"),
        (["stauts"], 2, "invalid choice: 'stauts'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_no_says_why_and_what_to_do(
    environ: Environ,
    *,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    code: int,
    said: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert main(argv) == code

    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("verb", ["status", "history", "advance", "rollback", "hand-back", "migrate"])
def test_each_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0

    said = capsys.readouterr().out
    assert "--json" in said
    assert "--plan" in said


def test_shared_flags_may_stand_before_the_verb(environ: Environ) -> None:
    ended = strangler("--json", "--dsn", environ["STRANGLER_DSN"], "history", environ={})

    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"moves": []})


def test_an_unknown_setting_stops_the_start(environ: Environ) -> None:
    ended = strangler("status", environ={**environ, "STRANGLER_DNS": "x"})

    assert ended.returncode == 2
    assert "unknown setting STRANGLER_DNS; known: STRANGLER_DSN" in ended.stderr


def test_addresses_come_from_the_running_stacks_file(environ: Environ, tmp_path: Path) -> None:
    stack = {"pid": os.getpid(), "environ": environ, "places": []}
    (tmp_path / ".strangler").mkdir()
    (tmp_path / ".strangler" / "stack.json").write_text(json.dumps(stack))

    assert strangler("status", environ={}, cwd=tmp_path).returncode == 0
    named = strangler("status", "--stack", str(tmp_path / ".strangler" / "stack.json"), environ={})
    assert named.returncode == 0


def test_a_stack_of_another_database_gives_nothing_away(environ: Environ, tmp_path: Path) -> None:
    (tmp_path / ".strangler").mkdir()
    stack = {"pid": os.getpid(), "environ": environ, "places": []}
    (tmp_path / ".strangler" / "stack.json").write_text(json.dumps(stack))
    other, said = "postgresql://127.0.0.1:1/none", "is of another database than the one named"

    by_variable = strangler("status", environ={"STRANGLER_DSN": other}, cwd=tmp_path)
    assert (by_variable.returncode, said in by_variable.stderr, "no plan file" in by_variable.stderr) == (2, True, True)
    by_flag = strangler("status", "--dsn", other, environ={"STRANGLER_PLAN": str(PLAN_FILE)}, cwd=tmp_path)
    assert (by_flag.returncode, said in by_flag.stderr) == (3, True)
    same = strangler("status", environ={"STRANGLER_DSN": environ["STRANGLER_DSN"]}, cwd=tmp_path)
    assert (same.returncode, same.stderr) == (0, "")


def test_an_empty_database_is_migrated_once(stack_database: str) -> None:
    environ = {"STRANGLER_DSN": stack_database, "STRANGLER_PLAN": str(PLAN_FILE)}
    before = strangler("status", environ=environ)
    assert before.returncode == 2
    assert "run: strangler migrate" in before.stderr

    pending = data("migrate", "--dry-run", environ=environ)
    applied = data("migrate", environ=environ)
    again = data("migrate", environ=environ)

    assert applied["revisions"] == pending["revisions"]
    assert applied["revisions"][:2] == ["outbox.outbox_0001", "strangler.strangler_0001"]
    assert applied["steps_added"] == ["notification", "search"]
    assert (again["revisions"], again["steps_added"]) == ([], [])
    assert data("status", environ=environ)["epoch"] == 1


def test_a_service_that_does_not_exist_is_named(stack_database: str) -> None:
    environ = {"STRANGLER_DSN": stack_database, "STRANGLER_PLAN": str(PLAN_FILE)}

    ended = strangler("migrate", "--service", "nosuch", environ=environ)

    assert ended.returncode == 2
    assert "no service 'nosuch' in plan 'small'; known: notification, search" in ended.stderr


def test_a_service_alone_gets_its_tables_and_the_outbox_that_it_emits_to(stack_database: str) -> None:
    environ = {"STRANGLER_DSN": stack_database, "STRANGLER_PLAN": str(PLAN_FILE)}

    applied = data("migrate", "--service", "search", environ=environ)

    assert applied["revisions"] == ["outbox.outbox_0001", "search.consumer_0001", "search.context_0001"]
    assert applied["steps_added"] == []
    told = " ".join(strangler("migrate", "--help", environ=environ).stdout.split())
    assert "--service NAME only this context's tables, and the outbox that it emits to" in told


@pytest.fixture
def stack_database(database: str) -> str:
    """An empty database beside the test's own, of the same life."""
    name = f"{urlsplit(database).path.lstrip('/')}_empty"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return urlunsplit(urlsplit(database)._replace(path=f"/{name}"))
