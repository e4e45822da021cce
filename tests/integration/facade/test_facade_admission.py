"""While there is not room for all, the facade lets in by class, and refuses before a body is read.

What is asked for has a name of its test: anonymous clients that ask for the same share a promise to return.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.facade.client import Answer, ask, order, send
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.shop import Shop
from tests.integration.facade.test_facade_metrics import scraped
from tests.support.http_stub import HttpStub, answer
from tests.support.waiting import wait_until

PLAN = Path(__file__).parents[2] / "support" / "facade_admission_plan.py"
ASKED = "facade_admission_total"


@pytest.fixture(scope="module")
def metrics(stack: Stack) -> str:
    return f"127.0.0.1:{stack.take_port()}"


@pytest.fixture(scope="module")
def bending(launch: StartFacade, metrics: str) -> Running:
    return launch("--admission", "100%", plan=PLAN, metrics=metrics)


def crowd(bending: Running, clients: ThreadPoolExecutor, key: str) -> list[Future[Answer]]:
    """Asks until two are refused: more may wait for 10 ms after a lower class, another test's, has had a slot."""
    asked = [clients.submit(ask, bending, "GET", f"/{key}") for _ in range(5)]

    def two_refused() -> bool:
        asked.append(clients.submit(ask, bending, "GET", f"/{key}"))
        return sum(one.done() for one in asked) >= 2

    wait_until(two_refused)
    return asked


def streamed(app: HttpStub) -> None:
    """Every answer begins at once, and ends when it may."""
    app.reply = lambda _: pieces(app.held)


def pieces(held: threading.Event) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 Spoken\r\nContent-Length: 4\r\n\r\nab"
    assert held.wait(30)
    yield b"cd"


def test_a_slot_is_held_until_the_answers_end_and_some_wait_for_it(
    bending: Running, app: HttpStub, clients: ThreadPoolExecutor, key: str, metrics: str
) -> None:
    streamed(app)
    granted, shared = ((ASKED, ("browse", said)) for said in ("granted", "share"))
    before = scraped(metrics)
    asked = crowd(bending, clients, key)
    wait_until(lambda: len(app.seen) >= 2)  # a refusal is quicker
    assert len(app.seen) == 2, "two slots, and what they answer has not ended"
    app.release()
    said = Counter(one.result().status for one in asked)
    assert said[200] >= 3, "two had a slot, and at least one more its turn"
    assert said[200] + said[503] == len(asked)
    refused = next(one.result() for one in asked if one.result().status == 503)
    assert refused.json()["clause"] == "admission:browse.share"
    assert (refused.json()["effect"], refused.field("Strangler-Rejected")) == ("none", "browse")
    after = scraped(metrics)
    assert after[granted] - before.get(granted, 0) == said[200]
    assert after[shared] - before.get(shared, 0) >= 2


def test_the_higher_class_is_next_though_the_lower_one_came_before(
    bending: Running, app: HttpStub, clients: ThreadPoolExecutor, key: str, metrics: str
) -> None:
    first, shop = threading.Event(), Shop(app)
    app.reply = lambda seen: (
        shop.reply(seen) if seen.method == "POST" else pieces(first if "first" in seen.target else app.held)
    )

    def connected() -> float:
        return scraped(metrics)["facade_in_use", ("clients",)]

    asked = [clients.submit(ask, bending, "GET", f"/first/{key}"), clients.submit(ask, bending, "GET", f"/{key}")]
    wait_until(lambda: (len(app.seen), connected()) == (2, 2), lambda: (app.seen, connected()))
    asked.append(clients.submit(ask, bending, "GET", f"/waits/{key}"))
    wait_until(lambda: connected() == 3, connected)
    placed = clients.submit(order, bending, key)
    wait_until(lambda: connected() == 4, connected)
    first.set()
    assert placed.result().status == 201
    assert [seen.method for seen in app.seen[:3]] == ["GET", "GET", "POST"]
    app.release()
    assert [one.result().status for one in asked[:2]] == [200, 200]
    assert asked[2].result().status in {200, 503}, "where the order took long, it has waited for as long as it may"


def test_who_is_refused_need_not_send_its_body(
    bending: Running, app: HttpStub, clients: ThreadPoolExecutor, key: str
) -> None:
    streamed(app)
    crowd(bending, clients, key)
    said = send(bending, f"POST /sent/{key} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 503 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["clause"] == "admission:browse.share"
    app.release()
    assert f"/sent/{key}" not in {seen.target for seen in app.seen}


def test_bodies_that_trickle_hold_slots_no_longer_than_their_answers_are_of_use(
    bending: Running, app: HttpStub, clients: ThreadPoolExecutor, key: str, metrics: str
) -> None:
    head = f"POST /uploads/{key} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nb".encode()
    before = scraped(metrics).get((ASKED, ("uploads", "granted")), 0)
    trickling = [clients.submit(send, bending, head) for _ in range(2)]
    wait_until(lambda: scraped(metrics).get((ASKED, ("uploads", "granted")), 0) == before + 2)
    assert all(one.result().startswith(b"HTTP/1.1 408 ") for one in trickling)
    assert ask(bending, "GET", f"/{key}").status == 200


def test_a_tenants_quota_is_told_with_when_there_is_more(bending: Running, app: HttpStub, key: str) -> None:
    said = [ask(bending, "GET", f"/feeds/{key}") for _ in range(3)]
    refused = [one for one in said if one.status == 429]
    assert refused
    assert refused[0].json()["clause"] == "admission:feeds.quota"
    assert refused[0].field("Retry-After") in ("1", "2")
    assert ask(bending, "GET", f"/{key}").status == 200


def test_a_client_that_leaves_gives_up_its_place(
    bending: Running, app: HttpStub, clients: ThreadPoolExecutor, key: str, metrics: str
) -> None:
    streamed(app)
    asked = [clients.submit(ask, bending, "GET", f"/{key}") for _ in range(2)]
    wait_until(lambda: len(app.seen) == 2)
    with socket.create_connection(("127.0.0.1", bending.port or 0)) as client:
        client.sendall(f"GET /gone/{key} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        wait_until(lambda: scraped(metrics)["facade_in_use", ("clients",)] == 3)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # resets: it listens no more
    wait_until(lambda: scraped(metrics).get((ASKED, ("browse", "left"))) == 1)
    app.release()
    assert [one.result().status for one in asked] == [200, 200]
    assert ask(bending, "GET", f"/{key}").status == 200
    assert f"/gone/{key}" not in {seen.target for seen in app.seen}


def test_a_field_that_overrides_the_path_is_no_way_into_a_higher_class(
    bending: Running, app: HttpStub, key: str, metrics: str
) -> None:
    feeds = [(ASKED, ("feeds", said)) for said in ("granted", "quota")]
    before = scraped(metrics)
    ask(bending, "GET", f"/{key}", fields={"X-Original-URL": f"/feeds/{key}"})
    after = scraped(metrics)
    assert sum(after.get(one, 0) - before.get(one, 0) for one in feeds) == 1


def test_what_a_request_carries_lowers_its_class(bending: Running, app: HttpStub, key: str, metrics: str) -> None:
    granted = (ASKED, ("uploads", "granted"))
    before = scraped(metrics).get(granted, 0)
    assert ask(bending, "GET", f"/{key}", fields={"X-Partner": "a"}).status == 200
    assert scraped(metrics)[granted] == before + 1


def test_what_is_not_asked_is_let_in(launch: StartFacade, app: HttpStub, clients: ThreadPoolExecutor, key: str) -> None:
    open_door = launch("--admission", "0%", plan=PLAN)
    app.reply = lambda _: answer(200, b"ok") if app.held.wait(30) else b""
    asked = [clients.submit(ask, open_door, "GET", f"/{key}") for _ in range(6)]
    wait_until(lambda: len(app.seen) == 6)
    app.release()
    assert {one.result().status for one in asked} == {200}
