"""What the database could not be told in time it is told later: an answer, and that a claim is none."""

from __future__ import annotations

import os
import signal

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.local.process import Running
from tests.integration.facade.client import Answer, ask
from tests.support.http_stub import HttpStub, Seen, answer
from tests.support.waiting import wait_until

STATE = "SELECT state, status FROM strangler.idempotency WHERE key = %s"
HOLD = "SELECT FROM strangler.idempotency WHERE key = %s FOR UPDATE"
WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'strangler-facade' AND wait_event_type = 'Lock'"""
END = "SELECT pg_terminate_backend(%s)"
SESSIONS = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'strangler-facade'"""


def cancel(facade: Running, key: str) -> Answer:
    return ask(facade, "POST", "/orders/R1/cancellations", b"{}", {"Idempotency-Key": key})


@pytest.mark.parametrize("times", [1, 2])
def test_a_command_is_answered_again_though_storing_it_broke(  # noqa: PLR0917 - fixtures
    facade: Running, app: HttpStub, dsn: str, connection: PsycopgConnection, key: str, times: int
) -> None:
    with psycopg.connect(dsn) as holding:

        def reply(_: Seen) -> bytes:
            holding.execute(HOLD, (key,))
            return answer(200, b'{"cancelled": 1}')

        app.reply = reply
        first = cancel(facade, key)
        for _ in range(times):
            wait_until(lambda: connection.execute(WAITING).fetchone() is not None)
            for (pid,) in connection.execute(WAITING).fetchall():
                connection.execute(END, (pid,))
        holding.rollback()
    wait_until(lambda: connection.execute(STATE, (key,)).fetchone() == ("done", 200))
    again = cancel(facade, key)
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert again.field("Idempotency-Replayed") == "?1"
    assert len(app.asked("POST")) == 1
    wait_until(lambda: b"answer_stored_again" in facade.said())


def test_a_claim_that_the_server_makes_after_we_gave_up_is_freed_and_a_repeat_succeeds(
    facade: Running, app: HttpStub, connection: PsycopgConnection, key: str
) -> None:
    app.reply = lambda _: answer(200, b"{}")
    assert cancel(facade, f"{key}-before").status == 200
    pids = [pid for (pid,) in connection.execute(SESSIONS).fetchall()]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        refused = cancel(facade, key)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert (refused.status, refused.json()["effect"]) == (503, "none")
    wait_until(lambda: b"claim_freed" in facade.said(), facade.said)
    assert connection.execute(STATE, (key,)).fetchone() is None
    assert cancel(facade, key).status == 200
    assert len(app.asked("POST")) == 2, "the one before, and the repeat"
