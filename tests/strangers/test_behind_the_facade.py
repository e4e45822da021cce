"""An application as it is found, without a line of ours in it, behind the facade."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.local.stack import Stack
from tests.strangers.facade_plan import plan
from tests.strangers.running import Application, running

pytestmark = pytest.mark.no_kafka
PLAN = Path(__file__).with_name("facade_plan.py")
DESK = {"email": "ann@example.invalid", "desk": "window", "day": "2011-06-01"}
PINNED = "SELECT subject_ref FROM strangler.ownership ORDER BY pinned_at"


@pytest.fixture
def dsn(stack: Stack) -> Iterator[str]:
    name = f"desk_facade_{secrets.token_hex(5)}"
    yield stack.database(name, plan)
    stack.databases.drop(name)


@pytest.fixture
def connection(dsn: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
def desk(stack: Stack, dsn: str) -> Iterator[Application]:
    """Spoken to through the facade."""
    with running(stack, "desk") as found:
        env = {"STRANGLER_DSN": dsn, "STRANGLER_PLAN": str(PLAN), "STRANGLER_INTERNAL_TOKEN": "t"}
        facade = stack.spawn(
            "desk-facade",
            (sys.executable, "-m", "strangler", "facade"),
            env={**env, "LEGACY_URL": found.url},
            port_env="FACADE_PORT",
            ready_path="/-/healthz",
        )
        yield replace(found, url=facade.url)
        facade.terminate()


def test_who_is_not_logged_in_is_refused_by_the_application_and_pins_nothing(
    desk: Application, connection: PsycopgConnection
) -> None:
    assert desk.send("POST", "/checkout", data=DESK).status_code == 401
    assert connection.execute(PINNED).fetchall() == []


def test_a_form_that_is_sent_twice_is_one_booking_with_one_mail_and_one_answer(
    desk: Application, connection: PsycopgConnection
) -> None:
    desk.send("POST", "/login", data={"user": "ann"})
    desk.turn(delay_s=0.3)
    with ThreadPoolExecutor(2) as pool:
        clicks = list(pool.map(lambda _: desk.send("POST", "/checkout", data=DESK), range(2)))
    assert sorted(one.status_code for one in clicks) in ([201, 201], [201, 409])  # 409: the first is under way
    again = desk.send("POST", "/checkout", data=DESK)
    assert (again.status_code, again.json()["id"], again.headers["Idempotency-Replayed"]) == (201, 1, "?1")
    assert len(desk.ledger("messages")) == 1
    assert len(connection.execute(PINNED).fetchall()) == 1


def test_a_booking_is_pinned_by_its_own_id_and_a_failure_after_its_commit_stays_one(
    desk: Application, connection: PsycopgConnection
) -> None:
    desk.send("POST", "/login", data={"user": "ann"})
    path = f"/bookings/{desk.send('POST', '/checkout', json=DESK).json()['id']}"
    assert desk.send("PATCH", path, json={"day": "2011-06-02"}).status_code == 200
    desk.turn(fail=503)
    key = {"Idempotency-Key": "cancel-1"}
    failed, again = (desk.send("POST", f"{path}/cancel", headers=key) for _ in range(2))
    assert (failed.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (500, 500, "?1")
    assert desk.send("GET", path).json()["status"] == "cancelled"
    made, known = connection.execute(PINNED).fetchall()
    assert known == ("booking:1",)
    assert made != known
