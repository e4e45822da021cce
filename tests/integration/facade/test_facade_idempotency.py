"""A key is carried out once and answered the same from then on, whichever facade it lands on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from outbox.connection import PsycopgConnection
from strangler.facade.idempotency import mint_ref
from strangler.local.process import Running
from strangler.routes import ANONYMOUS
from tests.integration.facade.client import ORDER, Answer, ask, order, send
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.shop import JSON, Shop
from tests.support.http_stub import HANG_UP, HttpStub, Reply, Seen, answer
from tests.support.waiting import wait_until

DYNAMIC = ("server", "date", "connection", "idempotency-replayed", "set-cookie")


def lasting(got: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer that must be the same in each repeat."""
    return got.status, [field for field in got.fields if field[0].lower() not in DYNAMIC], got.body


@pytest.fixture
def shop(app: HttpStub) -> Shop:
    return Shop(app)


@pytest.fixture(scope="module")
def second(launch: StartFacade) -> Running:
    return launch("--workers", "2")


def test_a_repeat_is_answered_by_the_first_answer(facade: Running, second: Running, shop: Shop, key: str) -> None:
    first, again, quoted = order(facade, key), order(second, key), order(facade, f'"{key}"')
    assert (first.status, first.json()["order_ref"]) == (201, mint_ref(ANONYMOUS, key))
    assert lasting(first) == lasting(again) == lasting(quoted)
    assert [got.field("Idempotency-Replayed") for got in (first, again, quoted)] == [None, "?1", "?1"]
    assert [got.field("Set-Cookie") for got in (first, again, quoted)] == ["a=1", None, None]
    assert len(shop.posted) == 1


def test_sixteen_at_once_over_two_facades_are_carried_out_once(
    facade: Running, second: Running, shop: Shop, key: str
) -> None:
    def persist(facade: Running) -> Answer:
        answers: list[Answer] = []

        def answered() -> bool:
            answers.append(order(facade, key))
            return answers[-1].status != 409

        wait_until(answered)
        return answers[-1]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(persist, [facade, second] * 8))
    assert {(got.status, got.body) for got in answers} == {(201, answers[0].body)}
    assert len(shop.posted) == 1


def test_a_repeat_while_the_first_is_under_way_is_told_so(facade: Running, app: HttpStub, key: str) -> None:
    shop = Shop(app)
    app.reply = lambda seen: shop.reply(seen) if app.held.wait(30) else HANG_UP
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(order, facade, key)
        wait_until(lambda: len(app.seen) == 1)
        early = order(facade, key)
        app.release()
        assert first.result(30).status == 201
    assert (early.status, early.field("Retry-After"), early.json()["effect"]) == (409, "1", "unknown")
    assert early.json()["type"] == "urn:problem-type:strangler:in-progress"


def test_a_key_with_another_request_is_refused(facade: Running, shop: Shop, key: str) -> None:
    order(facade, key)
    got = order(facade, key, ORDER + b" ")
    assert (got.status, got.json()["effect"], got.field("Content-Type")) == (422, "none", "application/problem+json")
    assert order(facade, key).status == 201
    assert len(shop.posted) == 1


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"Idempotency-Key:\r\n",
        b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n",
        b'Idempotency-Key: "open\r\n',
        b"Idempotency-Key: caf\xe9\r\n",
        b"Idempotency-Key: " + b"k" * 256 + b"\r\n",
    ],
)
@pytest.mark.parametrize("target", [b"/orders", b"/orders?a=1", b"/%6Frders", b"http://shop.example/orders"])
def test_an_order_without_a_proper_key_is_refused(facade: Running, app: HttpStub, fields: bytes, target: bytes) -> None:
    got = send(
        facade,
        b"POST " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n" + fields + b"\r\n{}",
    )
    assert got.startswith(b"HTTP/1.1 400 Bad Request")
    assert b'"effect": "none"' in got
    assert not app.seen


def test_a_final_no_of_the_application_is_the_first_answer(facade: Running, app: HttpStub, key: str) -> None:
    app.reply = lambda _: answer(422, b'{"why":"no such sku"}', JSON)
    assert lasting(order(facade, key)) == lasting(order(facade, key))
    assert len(app.seen) == 1


@pytest.mark.parametrize("status", [401, 429])
def test_a_request_that_the_application_did_not_take_on_may_be_repeated(
    facade: Running, app: HttpStub, key: str, status: int
) -> None:
    app.reply = lambda _: answer(status, b"later", "Retry-After: 7")
    got = order(facade, key)
    assert (got.status, got.body, got.field("Retry-After")) == (status, b"later", "7")
    Shop(app)
    assert order(facade, key).status == 201


def test_a_chunked_order_is_forwarded_with_its_length(facade: Running, shop: Shop, key: str) -> None:
    chunks = b"2\r\n{}\r\n0\r\n\r\n"
    got = ask(facade, "POST", "/orders", chunks, {"Idempotency-Key": key, "Transfer-Encoding": "chunked"})
    assert got.status == 201
    (seen,) = shop.posted
    assert (seen.body, seen.values("content-length"), seen.values("transfer-encoding")) == (b"{}", ["2"], [])


def test_an_order_above_the_limit_is_refused_unread(launch: StartFacade, shop: Shop, key: str) -> None:
    facade = launch("--body-limit-bytes", "100")
    assert order(facade, key, b"x" * 101).status == 413
    chunks = b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n"
    fields = {"Idempotency-Key": key, "Transfer-Encoding": "chunked"}
    assert ask(facade, "POST", "/orders", chunks, fields).status == 413
    assert not shop.posted
    assert order(facade, key, b"x" * 100).status == 201


def test_an_answer_too_large_to_keep_is_given_once_and_then_looked_up(facade: Running, app: HttpStub, key: str) -> None:
    shop, large = Shop(app), b"x" * (3 * 1024 * 1024)

    def reply(seen: Seen) -> Reply:
        made = shop.reply(seen)
        return made if seen.line.startswith("GET") else answer(201, large)

    app.reply = reply
    assert order(facade, key).body == large
    again = order(facade, key)
    assert (again.status, again.json()["seen_as"], again.field("Idempotency-Replayed")) == (201, "order", "?1")
    assert len(shop.posted) == 1


def test_a_command_with_a_key_is_carried_out_once_and_without_one_each_time(
    facade: Running, shop: Shop, key: str
) -> None:
    order_ref = order(facade, key).json()["order_ref"]
    path = f"/orders/{order_ref}/cancellations"
    with_key = [ask(facade, "POST", path, b"{}", {"Idempotency-Key": f"{key}-c"}) for _ in range(2)]
    assert lasting(with_key[0]) == lasting(with_key[1])
    for _ in range(2):
        assert ask(facade, "POST", path, b"{}").status == 201
    ordered, *cancelled = shop.posted
    assert len(cancelled) == 3
    for seen in cancelled:
        assert seen.values("Strangler-Order-Ref") == [order_ref]
        assert seen.values("Strangler-Ownership") == ordered.values("Strangler-Ownership")


def test_a_command_of_an_order_that_was_never_pinned_has_no_ownership(facade: Running, shop: Shop) -> None:
    assert ask(facade, "POST", "/orders/before-us/cancellations", b"{}").status == 201
    assert shop.posted[0].values("Strangler-Ownership") == []


def test_an_application_that_is_down_leaves_the_key_free(
    launch: StartFacade, connection: PsycopgConnection, key: str
) -> None:
    got = order(launch(upstream="http://127.0.0.1:1"), key)
    assert (got.status, got.json()["effect"]) == (503, "none")
    claims = "SELECT count(*) FROM strangler.idempotency WHERE key = %s"
    owners = "SELECT count(*) FROM strangler.ownership WHERE subject_ref = %s"
    assert connection.execute(claims, (key,)).fetchone() == (0,)
    assert connection.execute(owners, (mint_ref(ANONYMOUS, key),)).fetchone() == (0,)


def test_connections_that_the_database_has_closed_cost_no_order(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    assert order(facade, f"{key}-1").status == 201
    close = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'strangler-facade'"
    assert connection.execute(close).rowcount >= 1
    assert order(facade, f"{key}-2").status == 201


def test_without_a_database_orders_wait_and_all_else_passes(launch: StartFacade, app: HttpStub, key: str) -> None:
    facade = launch(dsn="postgresql://postgres@127.0.0.1:1/nowhere")
    got = order(facade, key)
    assert (got.status, got.json()["effect"], got.field("Strangler-Rejected")) == (503, "none", "order")
    assert not app.seen
    assert ask(facade, "GET", "/anything").body == b"ok"
    assert ask(facade, "GET", "/-/healthz").json()["database"] == "down"
