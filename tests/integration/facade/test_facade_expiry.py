"""Keys live for a day: then they are free, and their rows go in batches, which is counted and told."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.facade.expiry import EXPIRY_LOCK, Forgotten, forget_expired
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.facade.client import Answer, ask, order
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.shop import Shop
from tests.integration.facade.test_facade_metrics import scraped
from tests.support.http_stub import HttpStub
from tests.support.on_loop import on_loop
from tests.support.waiting import wait_until

A_DAY_LATER = """
UPDATE strangler.idempotency
SET created_at = created_at - interval '1 day', lease_until = lease_until - interval '1 day',
    expires_at = expires_at - interval '1 day'
WHERE key LIKE %s"""
LEFT = "SELECT count(*) FROM strangler.idempotency WHERE key LIKE %s"
MANY = """
INSERT INTO strangler.idempotency (tenant, key, fingerprint, subject_ref, state, lease_until, created_at, expires_at)
SELECT 'anonymous', %(key)s::text || n, '', 'R' || n, 'done', now() - interval '1 day', now() - interval '1 day', now()
FROM generate_series(1, 30) AS n"""


@pytest.fixture
def shop(app: HttpStub) -> Shop:
    return Shop(app)


def kind(got: Answer) -> str:
    return str(got.json()["type"]).rpartition(":")[2]


def test_a_key_is_free_for_another_command_after_its_day(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    ref = order(facade, f"{key}-o").json()["order_ref"]
    path, fields = f"/orders/{ref}/cancellations", {"Idempotency-Key": key}
    assert ask(facade, "POST", path, b"{}", fields).status == 201
    assert ask(facade, "POST", path, b"{ }", fields).status == 422
    connection.execute(A_DAY_LATER, (key,))
    late = ask(facade, "POST", path, b"{ }", fields)
    assert (late.status, late.field("Idempotency-Replayed")) == (201, None)
    assert ask(facade, "POST", path, b"{ }", fields).field("Idempotency-Replayed") == "?1"


def test_a_key_that_made_an_order_makes_no_other_one_and_gives_no_old_answer_after_its_day(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    assert order(facade, key).status == 201
    connection.execute(A_DAY_LATER, (key,))
    for _ in range(2):
        got = order(facade, key)
        assert (got.status, kind(got), got.json()["effect"]) == (422, "key-expired", "none")
    assert len(shop.posted) == 1


def test_an_order_that_was_never_made_is_made_after_the_day_of_its_key(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    shop.refuse = True
    assert order(facade, key).status == 503
    connection.execute(A_DAY_LATER, (key,))
    shop.refuse = False
    assert order(facade, key, b'{"other": 1}').status == 201


def test_expired_keys_are_forgotten_in_batches_and_no_others(connection: PsycopgConnection, dsn: str, key: str) -> None:
    connection.execute(A_DAY_LATER, ("%",))
    while on_loop(dsn, forget_expired) != Forgotten():
        pass
    connection.execute(MANY, {"key": f"{key}-old-"})
    connection.execute(MANY, {"key": f"{key}-new-"})
    connection.execute("UPDATE strangler.idempotency SET expires_at = now() + interval '1 h' WHERE key LIKE '%-new-%'")
    connection.execute("UPDATE strangler.idempotency SET state = 'started' WHERE key LIKE '%-old-7'")
    with psycopg.connect(dsn) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (EXPIRY_LOCK,))
        assert on_loop(dsn, forget_expired) == Forgotten()  # another facade is at it
    batches = [on_loop(dsn, partial(forget_expired, batch=20)) for _ in range(3)]
    assert [one.answered + one.unanswered for one in batches] == [20, 10, 0]
    assert sum(one.unanswered for one in batches) == 1
    assert connection.execute(LEFT, (f"{key}%",)).fetchone() == (30,)


def test_a_facade_forgets_by_itself_and_says_how_many(
    launch: StartFacade, stack: Stack, connection: PsycopgConnection, key: str
) -> None:
    connection.execute(MANY, {"key": f"kept-{key}"})
    connection.execute("UPDATE strangler.idempotency SET expires_at = now() + interval '1 h' WHERE key LIKE 'kept-%'")
    connection.execute(MANY, {"key": key})
    address = f"127.0.0.1:{stack.take_port()}"
    facade = launch("--expire-every-s", "0.05", "--workers", "2", metrics=address)
    try:
        wait_until(lambda: connection.execute(LEFT, (f"{key}%",)).fetchone() == (0,))
        wait_until(lambda: scraped(address).get(("facade_expired_total", ("yes",)), 0) >= 30)
        wait_until(lambda: "keys_expired" in facade.log_path.read_text())
        assert connection.execute(LEFT, (f"kept-{key}%",)).fetchone() == (30,)
    finally:
        facade.kill()  # else it forgets the keys of the tests that follow
