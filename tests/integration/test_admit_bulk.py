"""`strangler admit bulk`: a command waits for the plan's contexts, and is not stopped while it holds locks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import psycopg
import pytest

from outbox.connection import PsycopgConnection, connect
from outbox.kafka.python_admin import PythonAdmin
from strangler.bulk.pressure import Transactions
from strangler.cli import main
from strangler.local.stack import Stack
from tests.integration.test_replay_rebuild import environ, late, publish, running
from tests.support.waiting import wait_until

__all__ = ["environ"]  # the fixture


@contextmanager
def admitted(environ: dict[str, str], *argv: str, under: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    command = [*under, sys.executable, "-m", "strangler", "admit", "bulk", "--json", "--", *argv]
    process = subprocess.Popen(command, env={**environ, "PATH": "/usr/bin:/bin"}, stdout=-1, stderr=-1, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(300)
def test_a_batch_waits_while_a_context_is_behind_and_its_exit_code_is_its_own(
    stack: Stack,
    database: str,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with closing(PythonAdmin(environ["KAFKA_BOOTSTRAP"])) as admin:
        admin.ensure_topics({environ["OUTBOX_TOPIC_PREFIX"] + topic: 1 for topic in ("fraud", "inventory", "payment")})
    with running(stack, environ, "payment"), psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE payment.claim")  # payment's handler waits for it
        publish(environ, *late("StockReserved", "payment=new"))
        wait_until(lambda: would_begin(capsys) is False, within_s=90)
        with admitted(environ, "sh", "-c", "exit 7") as process:
            assert process.stderr is not None
            assert "payment's live events wait" in process.stderr.readline()
            assert process.poll() is None
            connection.rollback()
            said, trouble = process.communicate(timeout=120)
        told = json.loads(said.splitlines()[-1])
        assert (process.returncode, told["exit_code"], told["ended"]) == (7, 7, "by itself"), trouble
        assert told["waited_s"] > 0
        assert set(told["why"]) == {"payment"}
        assert "payment has caught up" in trouble
        wait_until(lambda: would_begin(capsys) is True, within_s=90)


def test_a_batch_waits_while_a_mode_holds_that_says_so(
    database: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert would_begin(capsys) is True
    told = ("--actor", "operations", "--reason", "black friday")
    assert main(["mode", "declare", "peak", "--for", "2h", *told]) == 0
    with admitted(environ, "sh", "-c", "exit 7") as process:
        assert process.stderr is not None
        assert "mode peak holds" in process.stderr.readline()
        assert would_begin(capsys) is False
        assert process.poll() is None
        assert main(["mode", "end", *told]) == 0
        said, trouble = process.communicate(timeout=60)
    assert process.returncode == 7, trouble
    assert json.loads(said.splitlines()[-1])["why"] == {"mode peak": 0.0}


def would_begin(capsys: pytest.CaptureFixture[str]) -> object:
    capsys.readouterr()
    assert main(["admit", "bulk", "--dry-run", "--json", "--", "true"]) == 0
    return json.loads(capsys.readouterr().out)["would_begin"]


@pytest.mark.no_kafka
def test_a_transaction_of_the_commands_is_seen_and_one_that_cannot_be_seen_counts(database: str) -> None:
    said: list[str] = []
    with (
        closing(Transactions(lambda: connect(database, autocommit=True), "bulk-1", said.append)) as transactions,
        psycopg.connect(database, application_name="bulk-1") as batch,
        psycopg.connect(database, application_name="bulk-2") as other,
    ):
        other.execute("SELECT 1")
        assert not transactions.any()
        batch.execute("SELECT 1")
        assert transactions.any()
        batch.rollback()
        assert not transactions.any()
    unreachable = Transactions(lambda: psycopg.connect("host=127.0.0.1 port=1"), "bulk-1", said.append)
    assert unreachable.any()
    assert unreachable.any()
    assert said == ["the command is not slowed: nobody can tell what it holds (OperationalError)"]


@pytest.mark.no_kafka
def test_a_database_that_hangs_is_waited_for_no_longer_than_said_and_asked_again(database: str) -> None:
    said, answers = list[str](), threading.Event()

    def hangs() -> PsycopgConnection:
        answers.wait(60)
        return connect(database, autocommit=True)

    with closing(Transactions(hangs, "bulk-1", said.append, within_s=0.05)) as transactions:
        assert transactions.any()
        assert transactions.any()
        assert said == ["the command is not slowed: nobody can tell what it holds (no answer within 0.05 s)"]
        answers.set()
        wait_until(lambda: not transactions.any())


def test_its_sessions_bear_our_name_whatever_they_bore_before(environ: dict[str, str]) -> None:
    with admitted({**environ, "PGAPPNAME": "nightly"}, "sh", "-c", 'echo "as $PGAPPNAME"') as process:
        said, trouble = process.communicate(timeout=60)
    assert said.startswith(f"as bulk-{process.pid}"), trouble


def test_what_is_ignored_when_it_starts_stays_ignored(environ: dict[str, str]) -> None:
    with admitted(environ, "sh", "-c", "kill -HUP $PPID; sleep 1; exit 7", under=["nohup"]) as process:
        said, trouble = process.communicate(timeout=60)
    assert process.returncode == 7, trouble
    assert json.loads(said.splitlines()[-1])["ended"] == "by itself"


def test_a_plan_without_bulk_and_a_command_that_is_not_there_are_usage(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main(["admit", "bulk", "--", "/nowhere/to/be/found"]) == 2
    assert "'/nowhere/to/be/found' cannot be run: No such file" in capsys.readouterr().err
    monkeypatch.setenv("STRANGLER_PLAN", "tests/support/facade_plan.py")
    assert main(["admit", "bulk", "--", "true"]) == 2
    assert "says nothing of bulk; give its admission Bulk(" in capsys.readouterr().err
