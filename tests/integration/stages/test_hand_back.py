"""Hand-back: unstarted orders return to legacy exactly once, wherever a run is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.errors import BadInput, RefusedError
from strangler.hand_back import count_unstarted
from strangler.moves import advance
from strangler.ownership import Owner
from strangler.stages import Stage
from strangler.step.claim import Claim, ClaimResult, claim
from tests.integration.stages.conftest import pin
from tests.integration.stages.handing_back import STEP, Environ, act, audit, owner, result, run, taken_over
from tests.integration.stages.legacy import Monolith
from tests.integration.stages.plan import plan
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


def test_unstarted_orders_return_and_started_ones_stay(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    monolith.orders = {"fresh", "begun"}
    taken_over(connection, ["fresh", "begun"])
    assert act(environ["STRANGLER_DSN"], "begun") is ClaimResult.WON

    assert run(environ) == result(handed_back=1, started=1)

    assert monolith.runs == {(STEP, "fresh"): 1}
    assert (owner(connection, "fresh"), owner(connection, "begun")) == (Owner.LEGACY, Owner.NEW)
    assert audit(connection) == [("fresh", STEP, 4, "done", "test", "too slow")]
    assert act(environ["STRANGLER_DSN"], "fresh") is ClaimResult.HANDED_BACK
    assert run(environ) == result(started=1)
    assert monolith.runs == {(STEP, "fresh"): 1}


def test_only_the_step_that_was_demoted_changes_its_owner(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    monolith.orders = {"order"}
    taken_over(connection, ["order"], (STEP, "search"))

    run(environ)
    assert (owner(connection, "order"), owner(connection, "order", "search")) == (Owner.LEGACY, Owner.NEW)

    run(environ, "search")
    assert [row[1] for row in audit(connection)] == [STEP, "search"]


def test_orders_that_the_present_ramp_gives_to_the_new_side_stay(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    orders = [f"order-{number}" for number in range(40)]
    monolith.orders = set(orders)
    taken_over(connection, orders)
    advance(connection, plan, STEP, ramp_bp=5_000, anyway=True, actor="test", reason="half of them")

    outcome = run(environ)

    left = {order_ref for order_ref in orders if owner(connection, order_ref) is Owner.NEW}
    assert 0 < outcome.handed_back < 40
    assert len(left) == 40 - outcome.handed_back
    assert left == {ref for ref in orders if pin_of(connection, ref) is Owner.NEW}


def pin_of(connection: PsycopgConnection, order_ref: str) -> Owner:
    """What a pin would say now."""
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM strangler.ownership WHERE subject_ref = %s", [order_ref])
        return pin(connection, order_ref).of(STEP)


def test_many_orders_are_handed_back_page_by_page(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strangler.hand_back.tables.PAGE", 25)
    orders = [f"order-{number:03}" for number in range(110)]
    monolith.orders = set(orders)
    taken_over(connection, orders)
    assert count_unstarted(plan, environ, STEP) == 110

    assert run(environ) == result(handed_back=110)

    assert monolith.runs == {(STEP, order_ref): 1 for order_ref in orders}
    assert count_unstarted(plan, environ, STEP) == 0


def test_a_legacy_that_fails_is_asked_again(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    monolith.orders = {"a", "b"}
    taken_over(connection, ["a", "b"])
    monolith.failures = 3

    assert run(environ) == result(handed_back=2)


def test_a_legacy_that_is_down_leaves_everything_for_the_next_run(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    taken_over(connection, ["a", "b"])
    monolith.orders = {"a", "b"}

    assert run({**environ, "LEGACY_URL": "http://127.0.0.1:1"}, timeout_s=0.5) == result(failed=2)
    assert run(environ) == result(handed_back=2)


@pytest.mark.parametrize(
    ("point", "found_in_state"),
    [("hand_back.tombstoned", None), ("hand_back.recorded", "tombstoned"), ("hand_back.run", "tombstoned")],
)
def test_a_run_killed_anywhere_goes_on_when_run_again(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ, point: str, found_in_state: str | None
) -> None:
    monolith.orders = {"order"}
    taken_over(connection, ["order"])
    kill_at(point, environ)
    assert [row[3] for row in audit(connection)] == ([found_in_state] if found_in_state else [])
    assert act(environ["STRANGLER_DSN"], "order") is ClaimResult.HANDED_BACK

    # Even at live again: an order with a tombstone belongs to nobody until its hand-back is finished.
    for to in (Stage.RAMP, Stage.LIVE):
        bp = 5_000 if to is Stage.RAMP else None
        advance(connection, plan, STEP, to=to, ramp_bp=bp, anyway=True, actor="test", reason="forward again")
    outcome = run(environ)

    assert (outcome.stage, outcome.handed_back) == (Stage.LIVE, 1)
    assert owner(connection, "order") is Owner.LEGACY
    assert audit(connection) == [("order", STEP, 4, "done", "test", "too slow")]
    assert monolith.runs[STEP, "order"] == (2 if point == "hand_back.run" else 1)


def test_two_runs_at_once_hand_each_order_back_once(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    orders = [f"order-{number}" for number in range(60)]
    monolith.orders = set(orders)
    taken_over(connection, orders)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(run, [environ, environ]))

    assert sum(outcome.handed_back for outcome in both) == 60
    assert sum(outcome.failed + outcome.started + outcome.not_committed for outcome in both) == 0
    assert {row[3] for row in audit(connection)} == {"done"}


def test_a_handler_at_work_on_the_order_is_waited_for(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    monolith.orders = {"order"}
    taken_over(connection, ["order"])
    dsn = environ["STRANGLER_DSN"]
    with psycopg.connect(dsn, options="-c search_path=notification") as handler, ThreadPoolExecutor(1) as pool:
        assert claim(handler, STEP, [Claim("order", 100, 4)]) == [ClaimResult.WON]
        running = pool.submit(run, environ)
        wait_until(lambda: blocked_backends(connection) == 1)
        handler.commit()

        assert running.result(timeout=30) == result(started=1)
    assert owner(connection, "order") is Owner.NEW
    assert not monolith.runs


def test_what_cannot_be_handed_back_is_refused(shop: str, environ: Environ) -> None:
    with pytest.raises(RefusedError, match="nobody has built payment's new side"):
        run(environ, "payment")
    with pytest.raises(BadInput, match="LEGACY_URL and STRANGLER_INTERNAL_TOKEN must be set"):
        run({"STRANGLER_DSN": shop})


def kill_at(point: str, environ: Mapping[str, str]) -> None:
    """Run the command until it stops itself at the point, then kill -9."""
    argv = [sys.executable, "-m", "strangler", "hand-back", STEP, "--reason", "too slow", "--actor", "test"]
    process = subprocess.Popen(
        argv, env={**os.environ, **environ, "OUTBOX_STOP_AT": point}, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    killer = threading.Timer(60, process.kill)
    killer.start()
    try:
        assert process.stderr is not None
        assert any(line.strip() == f"stopped_at {point}" for line in process.stderr)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
    finally:
        killer.cancel()
        process.kill()
        process.communicate()


def blocked_backends(connection: PsycopgConnection) -> int:
    row = connection.execute("""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'""").fetchone()
    assert row is not None
    return int(row[0])
