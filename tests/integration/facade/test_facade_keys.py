"""Requests without an Idempotency-Key: each its own, or one by its fields, or by a field of the form."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from urllib.parse import urlencode

import pytest

from outbox.connection import PsycopgConnection
from strangler.facade import claims
from strangler.facade.claim_sql import BEGIN, COMMIT
from strangler.facade.idempotency import Held, RequestClaim, Stored
from strangler.facade.loop_connection import LoopConnection
from strangler.local.process import Running
from tests.integration.facade.client import Answer, ask
from tests.integration.facade.shop import Shop
from tests.support.http_stub import HttpStub, answer
from tests.support.on_loop import on_loop
from tests.support.waiting import wait_until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REQUESTS = "SELECT count(*) FROM strangler.idempotency WHERE subject_ref = ANY (%s)"
PINNED = "SELECT count(*) FROM strangler.ownership WHERE subject_ref = ANY (%s)"
EARLIER = "UPDATE strangler.idempotency SET created_at = created_at - make_interval(secs => %s) WHERE subject_ref = %s"


@pytest.fixture
def shop(app: HttpStub) -> Shop:
    return Shop(app)


def derived(facade: Running, email: str, **more: str) -> Answer:
    body = json.dumps({"email": email, "day": "2026-01-01", **more}).encode()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer ann"}
    return ask(facade, "POST", "/derived/orders", body, headers)


def test_orders_without_a_key_are_pinned_and_each_its_own(
    facade: Running, shop: Shop, connection: PsycopgConnection
) -> None:
    answers = [ask(facade, "POST", "/free/orders", b"{}") for _ in range(2)]
    refs = [got.json()["order_ref"] for got in answers]
    assert len(set(refs)) == len(shop.posted) == 2
    assert all(seen.values("Strangler-Ownership") for seen in shop.posted)
    assert connection.execute(PINNED, (refs,)).fetchone() == (2,)
    assert connection.execute(REQUESTS, (refs,)).fetchone() == (0,)  # they have ended


def test_an_order_without_a_key_whose_answer_is_lost_is_found(facade: Running, shop: Shop) -> None:
    shop.lose = True
    got = ask(facade, "POST", "/free/orders", b"{}")
    assert (got.status, got.json()["seen_as"]) == (201, "order")
    shop.refuse = True
    got = ask(facade, "POST", "/free/orders", b"{}")
    assert (got.status, str(got.json()["type"]).rpartition(":")[2]) == (502, "upstream-broke")


@pytest.mark.parametrize("status", [500, 503])
def test_an_error_of_a_request_without_a_key_is_passed_on(facade: Running, shop: Shop, status: int) -> None:
    shop.app.reply = lambda _: answer(status, b"oops")
    got = ask(facade, "POST", "/free/orders", b"{}")
    assert (got.status, got.body) == (status, b"oops")


def test_a_field_of_the_form_is_the_key(facade: Running, shop: Shop, key: str) -> None:
    body = urlencode({"idempotency_key": key, "note": "a"}).encode()
    first, again = (ask(facade, "POST", "/free/orders", body, FORM) for _ in range(2))
    assert (first.body, again.field("Idempotency-Replayed")) == (again.body, "?1")
    other = ask(facade, "POST", "/free/orders", body + b"b", FORM)
    assert (other.status, len(shop.posted), shop.posted[0].body) == (422, 1, body)


def test_a_form_whose_key_cannot_be_read_is_refused_with_the_reason(facade: Running, shop: Shop, key: str) -> None:
    body = urlencode({"idempotency_key": key} | {f"line{number}": "a" for number in range(1000)}).encode()
    got = ask(facade, "POST", "/free/orders", body, FORM)
    assert (got.status, str(got.json()["type"]).rpartition(":")[2]) == (400, "form-unreadable")
    assert "1,000 fields" in str(got.json()["detail"])
    assert not shop.posted


def test_equal_fields_are_one_order_within_their_time(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    first, again, other = derived(facade, key), derived(facade, key, note="b"), derived(facade, key + "o")
    assert (first.body, again.field("Idempotency-Replayed")) == (again.body, "?1")
    assert other.json()["order_ref"] != first.json()["order_ref"]
    assert len(shop.posted) == 2


def test_equal_fields_after_their_time_are_another_order(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    """As the claim would stand had it been made one window ago: just within its time, and then just out of it."""
    first = derived(facade, key).json()["order_ref"]
    move = "UPDATE strangler.idempotency SET key = split_part(key, '.', 1) || '.' || %s WHERE subject_ref = %s"
    window = "SELECT split_part(key, '.', 2)::bigint FROM strangler.idempotency WHERE subject_ref = %s"
    (now,) = connection.execute(window, (first,)).fetchone() or (0,)
    connection.execute(move, (str(now - 1), first))
    connection.execute("DELETE FROM strangler.ownership WHERE subject_ref = %s", (first,))  # that one had another
    connection.execute(EARLIER, (3500, first))
    assert derived(facade, key).field("Idempotency-Replayed") == "?1"
    connection.execute(EARLIER, (200, first))
    assert derived(facade, key).field("Idempotency-Replayed") is None
    assert len(shop.posted) == 2


def test_sixteen_equal_orders_at_once_are_one(facade: Running, shop: Shop, key: str) -> None:
    def persist(_: int) -> Answer:
        answers: list[Answer] = []

        def answered() -> bool:
            answers.append(derived(facade, key))
            return answers[-1].status != 409

        wait_until(answered)
        return answers[-1]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(persist, range(16)))
    assert {(got.status, got.body) for got in answers} == {(201, answers[0].body)}
    assert len(shop.posted) == 1


def test_equal_orders_on_both_sides_of_a_windows_edge_are_one(
    connection: PsycopgConnection, dsn: str, key: str
) -> None:
    """The claim of the earlier one is not committed yet when the later one looks."""
    names = [f"{key}.{window}" for window in (7, 8)]
    one, other = (
        RequestClaim("anonymous", names[side], b"same", f"{key}-{side}", 30, 60, near=[names[1 - side]], within_s=60)
        for side in (0, 1)
    )
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    others = "SELECT count(*) FROM strangler.idempotency WHERE key = ANY (%s)"
    with ThreadPoolExecutor(1) as pool:

        async def early(first: LoopConnection) -> Future[Held | Stored]:
            await first.ask(BEGIN)
            assert isinstance(await claims.claim_command(first, one), Held)
            second = pool.submit(on_loop, dsn, partial(claims.claim_command, claim=other))
            await asyncio.to_thread(wait_until, lambda: connection.execute(waiting).fetchone() == (1,))
            assert connection.execute(others, (names,)).fetchone() == (0,)
            await first.ask(COMMIT)
            return second

        found = on_loop(dsn, early).result(30)
    assert isinstance(found, Stored)
    assert (found.key, found.subject_ref) == (one.key, one.subject_ref)
