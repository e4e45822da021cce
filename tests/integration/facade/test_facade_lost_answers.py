"""An answer that was lost, by the application or by a killed facade, is found out; an order that is not there is sent
again under its reference, a command only where that is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.local.process import Running
from tests.integration.facade.client import ask, order
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.shop import Shop
from tests.support.http_stub import HttpStub, Reply, Seen, answer
from tests.support.waiting import wait_until

STATE = "SELECT state FROM strangler.idempotency WHERE key = %s"
END_LEASE = "UPDATE strangler.idempotency SET lease_until = now() WHERE key = %s"


@pytest.fixture
def shop(app: HttpStub) -> Shop:
    return Shop(app)


def test_an_order_whose_answer_was_lost_is_found(facade: Running, shop: Shop, key: str) -> None:
    shop.lose = True
    got = order(facade, key, Authorization="Bearer a", Content_Language="en")
    assert (got.status, got.json()["seen_as"], got.field("Idempotency-Replayed")) == (201, "order", None)
    assert order(facade, key, Authorization="Bearer a").body == got.body
    assert len(shop.posted) == 1
    (looked_up,) = shop.app.asked("GET")
    assert looked_up.values("Authorization") == ["Bearer a"]
    assert looked_up.values("Content-Language") == looked_up.values("Content-Length") == []


def test_an_order_that_the_application_does_not_have_is_sent_again_under_its_reference(
    facade: Running, shop: Shop, key: str
) -> None:
    shop.refuse = True
    got = order(facade, key)
    assert (got.status, got.json()["effect"], got.field("Retry-After")) == (503, "unknown", "5")
    shop.refuse = False
    again, repeat = order(facade, key), order(facade, key)
    assert (again.status, again.field("Idempotency-Replayed"), repeat.body) == (201, None, again.body)
    first, second = shop.posted
    for name in ("Strangler-Order-Ref", "Strangler-Ownership"):
        assert first.values(name) == second.values(name) != []
    assert order(facade, key, b"{}").status == 422


def test_an_order_that_appears_late_is_found_and_not_sent_again(facade: Running, shop: Shop, key: str) -> None:
    """It was committed after the connection broke."""
    shop.refuse = True
    assert order(facade, key).status == 503
    shop.orders[shop.posted[0].values("Strangler-Order-Ref")[0]] = b'{"late": true}'
    late, again = order(facade, key), order(facade, key)
    assert (late.status, late.json(), late.field("Idempotency-Replayed")) == (201, {"late": True}, "?1")
    assert again.body == late.body
    assert len(shop.posted) == 1


@pytest.mark.parametrize("looked_up", [b"", answer(500, b"down"), answer(401, b"who?")])
def test_an_order_of_which_the_application_cannot_say_stays_unknown(
    facade: Running, shop: Shop, key: str, looked_up: bytes
) -> None:
    shop.refuse = True
    made = shop.reply
    shop.app.reply = lambda seen: looked_up if seen.method == "GET" else made(seen)
    assert [order(facade, key).status for _ in range(3)] == [503] * 3
    assert len(shop.posted) == 1


def test_what_two_attempts_made_is_one_order(facade: Running, shop: Shop, key: str) -> None:
    """The first is committed while the second is under way, which the application then refuses."""
    shop.refuse = True
    assert order(facade, key).status == 503

    def reply(seen: Seen) -> Reply:
        if seen.method == "POST":
            shop.orders[seen.values("Strangler-Order-Ref")[0]] = b'{"first": true}'
            return answer(500, b"there is one already")
        return Shop.reply(shop, seen)

    shop.app.reply = reply
    got, again = order(facade, key), order(facade, key)
    assert (got.status, got.json(), again.body) == (201, {"first": True}, got.body)


def test_an_application_that_is_busy_is_heard_and_its_key_is_free(facade: Running, shop: Shop, key: str) -> None:
    shop.app.reply = lambda _: answer(503, b"too busy", "Retry-After: 17", "X-Why: lunch")
    got = order(facade, key)
    assert (got.status, got.body, got.field("Retry-After"), got.field("X-Why")) == (503, b"too busy", "17", "lunch")
    shop.app.reply = shop.reply
    assert order(facade, key).status == 201


def fails_after_the_commit(shop: Shop, status: int) -> None:
    """The order is kept, and the client is told of an error."""

    def reply(seen: Seen) -> Reply:
        made = shop.reply(seen)
        return made if seen.line.startswith("GET") else answer(status, b"oops")

    shop.app.reply = reply


def test_an_error_of_the_application_is_its_answer_also_after_the_commit(facade: Running, shop: Shop, key: str) -> None:
    fails_after_the_commit(shop, 500)
    first, again = order(facade, key), order(facade, key)
    assert (first.status, first.body, first.field("Idempotency-Replayed")) == (500, b"oops", None)
    assert (again.status, again.body, again.field("Idempotency-Replayed")) == (500, b"oops", "?1")
    assert (len(shop.orders), len(shop.posted), len(shop.app.asked("GET"))) == (1, 1, 0)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_a_gateway_says_in_place_of_an_answer_is_passed_on_unless_the_order_is_there(
    facade: Running, shop: Shop, key: str, status: int
) -> None:
    fails_after_the_commit(shop, status)
    assert order(facade, key).json()["seen_as"] == "order"
    shop.app.reply = lambda seen: answer(404, b"") if seen.method == "GET" else answer(status, b"gateway", "X-At: edge")
    got = order(facade, f"{key}-2")
    assert (got.status, got.body, got.field("X-At")) == (status, b"gateway", "edge")
    shop.app.reply = shop.reply
    assert order(facade, f"{key}-2").status == 201


def test_a_lost_command_is_told_as_lost_and_not_sent_again(facade: Running, shop: Shop, key: str) -> None:
    order_ref = order(facade, key).json()["order_ref"]
    shop.refuse = True
    path, fields = f"/orders/{order_ref}/cancellations", {"Idempotency-Key": f"{key}-c"}
    got = ask(facade, "POST", path, b"{}", fields)
    assert (got.status, got.json()["effect"]) == (502, "unknown")
    shop.refuse = False
    for _ in range(2):
        got = ask(facade, "POST", path, b"{}", fields)
        assert (got.status, got.json()["effect"], got.field("Retry-After")) == (409, "unknown", None)
        assert str(got.json()["type"]).endswith(":outcome-lost")
    assert len(shop.posted) == 2  # the order, and its command once


def test_a_lost_command_that_is_idempotent_is_sent_again(facade: Running, shop: Shop, key: str) -> None:
    order_ref = order(facade, key).json()["order_ref"]
    shop.refuse = True
    path, fields = f"/orders/{order_ref}/address", {"Idempotency-Key": f"{key}-c"}
    got = ask(facade, "PUT", path, b"{}", fields)
    assert (got.status, got.json()["effect"]) == (503, "unknown")
    shop.app.reply = lambda _: answer(200, b"moved")
    first, again = (ask(facade, "PUT", path, b"{}", fields) for _ in range(2))
    assert (first.body, first.field("Idempotency-Replayed"), again.field("Idempotency-Replayed")) == (
        b"moved",
        None,
        "?1",
    )


def test_an_order_that_was_refused_later_is_answered_with_its_refusal(facade: Running, shop: Shop, key: str) -> None:
    shop.lose, shop.says = True, ("Strangler-Creation-Status: 402",)
    got = order(facade, key)
    assert (got.status, got.json()["seen_as"], got.field("Strangler-Creation-Status")) == (402, "order", None)
    assert (order(facade, key).status, len(shop.posted)) == (402, 1)


def test_an_order_that_is_still_being_decided_is_looked_at_again_each_time(
    facade: Running, shop: Shop, key: str
) -> None:
    shop.lose, shop.says = True, ("Strangler-Creation-Status: 202",)
    got = order(facade, key)
    ref = shop.posted[0].values("Strangler-Order-Ref")[0]
    assert (got.status, got.field("Location")) == (202, f"/orders/{ref}")
    assert order(facade, key).status == 202
    shop.says = ()
    assert [order(facade, key).status for _ in range(2)] == [201, 201]
    assert len(shop.posted) == 1


def test_a_creation_status_that_makes_no_sense_leaves_the_outcome_unknown(
    facade: Running, shop: Shop, key: str
) -> None:
    shop.lose, shop.says = True, ("Strangler-Creation-Status: 302",)
    assert order(facade, key).json()["effect"] == "unknown"


@pytest.mark.parametrize("point", ["facade.claimed", "facade.forwarded"])
def test_a_killed_facade_is_resolved_by_the_next(
    launch: StartFacade, shop: Shop, connection: PsycopgConnection, key: str, point: str
) -> None:
    facade, doomed = launch(), launch(stop_at=point)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_order_in_vain, doomed, key)
        wait_until(lambda: f"stopped_at {point}" in doomed.log_path.read_text())
        doomed.kill()
    sent = 1 if point == "facade.forwarded" else 0
    assert len(shop.posted) == sent
    assert order(facade, key).status == 409
    connection.execute(END_LEASE, (key,))
    got, again = order(facade, key), order(facade, key)
    assert (got.status, again.body) == (201, got.body)
    assert got.field("Idempotency-Replayed") == ("?1" if sent else None)  # found, or carried out
    assert len(shop.posted) == 1


def test_an_answer_is_the_databases_before_it_is_the_clients(
    launch: StartFacade, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    """Whatever becomes of the facade once its client has it, a repeat is answered the same."""
    facade, doomed = launch(), launch(stop_at="facade.kept")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_order_in_vain, doomed, key)
        wait_until(lambda: "stopped_at facade.kept" in doomed.log_path.read_text())
        doomed.kill()
    wait_until(lambda: connection.execute(STATE, (key,)).fetchone() == ("done",))
    got = order(facade, key)
    assert (got.status, got.field("Idempotency-Replayed"), len(shop.posted)) == (201, "?1", 1)


def test_a_client_does_not_wait_until_its_answer_is_stored_and_its_repeat_does(
    facade: Running, app: HttpStub, dsn: str, key: str
) -> None:
    with ThreadPoolExecutor(2) as pool, psycopg.connect(dsn) as locking:
        locked_while_asked(app, locking, key)
        assert order(facade, key).status == 201
        again = pool.submit(order, facade, key)
        other = order(facade, f"{key}-other")
        assert other.status == 201
        assert not again.done()
        locking.commit()
        assert again.result(30).field("Idempotency-Replayed") == "?1"
    assert len(app.asked("POST")) == 2


def test_an_answer_that_was_not_stored_when_its_facade_stopped_is_the_servers(
    launch: StartFacade, app: HttpStub, connection: PsycopgConnection, dsn: str, key: str
) -> None:
    facade = launch()
    with psycopg.connect(dsn) as locking:
        locked_while_asked(app, locking, key)
        assert order(facade, key).status == 201
        assert facade.terminate() == 0
        assert '"database_cut_off"' in facade.log_path.read_text()
        locking.commit()
    wait_until(lambda: connection.execute(STATE, (key,)).fetchone() == ("done",))


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_an_answer_that_trickles_ends_before_its_claim_does(
    launch: StartFacade, app: HttpStub, key: str, start: bytes
) -> None:
    """Each wait is short; else a repeat would carry out what is still under way."""
    facade = launch("--read-timeout-s", "5", "--answer-timeout-s", "1")

    def trickled() -> Iterator[bytes]:
        yield start
        yield from (b"x" for _ in range(600) if not app.held.wait(0.05))

    app.reply = lambda seen: trickled() if seen.method == "POST" else answer(404, b"")
    got = order(facade, key)
    assert (got.status, got.json()["effect"], app.held.is_set()) == (503, "unknown", False)
    assert '"answer_lost"' in facade.log_path.read_text()


def locked_while_asked(app: HttpStub, locking: PsycopgConnection, key: str) -> None:
    """Nobody can write to the claim from then on, until `locking` commits."""

    def reply(seen: Seen) -> Reply:
        if seen.value("Idempotency-Key") == key:
            locking.execute("SELECT FROM strangler.idempotency WHERE key = %s FOR UPDATE", (key,))
        return answer(201, b"{}")

    app.reply = reply


def _order_in_vain(facade: Running, key: str) -> None:
    with suppress(OSError):
        order(facade, key)
