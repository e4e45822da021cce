"""A claim is one attempt's at a time: who is late ends nothing of its successor, and no key ends meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from outbox.connection import PsycopgConnection
from strangler.facade import claims
from strangler.facade.claims import Stages
from strangler.facade.expiry import forget_expired
from strangler.facade.idempotency import Held, RequestClaim, Stored
from strangler.local.process import Running
from tests.integration.facade.client import order
from tests.integration.facade.shop import Shop
from tests.support.http_stub import HttpStub, Reply, Seen, answer
from tests.support.logs import lines_of
from tests.support.on_loop import on_loop
from tests.support.waiting import wait_until

END_LEASE = "UPDATE strangler.idempotency SET lease_until = now() WHERE key = %s"
EXPIRE = "UPDATE strangler.idempotency SET expires_at = now() WHERE key = %s"
STANDS = "SELECT attempt, lease_until > now() FROM strangler.idempotency WHERE key = %s"


def attempts(key: str) -> Iterator[RequestClaim]:
    """One request after the other with this key."""
    for number in range(1, 9):
        yield RequestClaim("anonymous", key, b"same", key, 30, 60, attempt=number)


def claimed(dsn: str, claim: RequestClaim) -> Held | Stored:
    return on_loop(dsn, partial(claims.pin, claim=claim, stages=Stages()))


def test_a_late_attempt_ends_nothing_of_the_one_that_took_its_claim_over(
    dsn: str, connection: PsycopgConnection, key: str
) -> None:
    late, next_one, third, *_ = attempts(key)
    held = claimed(dsn, late)
    assert isinstance(held, Held)
    connection.execute(END_LEASE, (key,))
    assert isinstance(on_loop(dsn, partial(claims.take_over, claim=next_one)), Held)
    on_loop(dsn, partial(claims.end_lease, claim=late))
    assert connection.execute(STANDS, (key,)).fetchone() == (2, True)
    on_loop(dsn, partial(claims.release, held=held))
    assert connection.execute(STANDS, (key,)).fetchone() == (2, True)
    assert on_loop(dsn, partial(claims.take_over, claim=third)) is None
    on_loop(dsn, partial(claims.end_lease, claim=next_one))
    assert connection.execute(STANDS, (key,)).fetchone() == (2, False)


def test_who_comes_late_says_so(
    dsn: str, connection: PsycopgConnection, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    late, next_one, *_ = attempts(key)
    held = claimed(dsn, late)
    assert isinstance(held, Held)
    connection.execute(END_LEASE, (key,))
    on_loop(dsn, partial(claims.take_over, claim=next_one))
    on_loop(dsn, partial(claims.end_lease, claim=late))
    on_loop(dsn, partial(claims.release, held=held))
    assert [one.getMessage() for one in lines_of(caplog, claims.__name__)] == ["attempt_was_late"] * 2


def test_a_key_does_not_end_while_its_lease_stands(dsn: str, connection: PsycopgConnection, key: str) -> None:
    first, second, *_ = attempts(key)
    claimed(dsn, first)
    connection.execute(EXPIRE, (key,))
    assert isinstance(claimed(dsn, second), Stored)
    on_loop(dsn, forget_expired)
    assert connection.execute(STANDS, (key,)).fetchone() == (1, True)
    connection.execute(END_LEASE, (key,))
    assert isinstance(claimed(dsn, second), Held)


def test_a_claim_that_is_taken_over_at_the_end_of_its_keys_day_is_carried_out_once_at_a_time(
    facade: Running, app: HttpStub, connection: PsycopgConnection, key: str
) -> None:
    shop = Shop(app)
    shop.refuse = True
    assert order(facade, key).status == 503

    def reply(seen: Seen) -> Reply:
        if seen.method == "GET":
            return answer(404, b"")
        app.held.wait(30)
        return answer(201, b"{}")

    app.reply = reply
    connection.execute("UPDATE strangler.idempotency SET expires_at = now() + interval '2 s' WHERE key = %s", (key,))
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(order, facade, key)
        wait_until(lambda: len(app.asked("POST")) == 2)
        expired = "SELECT expires_at < lease_until FROM strangler.idempotency WHERE key = %s"
        assert connection.execute(expired, (key,)).fetchone() == (False,)
        connection.execute(EXPIRE, (key,))
        assert order(facade, key).status == 409
        app.release()
        assert again.result(30).status == 201
    assert len(app.asked("POST")) == 2
