"""Clients that send slowly, half, or nothing hold nobody up: neither other clients nor the facade's own state."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.facade.client import ask, order
from tests.integration.facade.conftest import StartFacade
from tests.support.http_stub import HttpStub, Reply, Seen, answer
from tests.support.waiting import wait_until

QUICK_S = 5.0


@contextlib.contextmanager
def connected(port: int | None, count: int, data: bytes) -> Iterator[list[socket.socket]]:
    """So many clients that have sent this much."""
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port or 0), timeout=30)) for _ in range(count)
        ]
        for client in clients:
            client.sendall(data)
        yield clients


def quickly(facade: Running, target: str) -> int:
    return ask(facade, "GET", target, timeout_s=QUICK_S).status


def rest_of(client: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65_536):
            received += piece
    return received


@pytest.fixture(scope="module")
def impatient(launch: StartFacade) -> Running:
    return launch("--threads", "2", "--client-timeout-s", "2")


def test_half_a_head_holds_nobody_up_and_is_given_up(impatient: Running, app: HttpStub) -> None:
    with connected(impatient.port, 200, b"GET /half HTTP/1.1\r\nHost: a\r\nX: ") as clients:
        assert quickly(impatient, "/-/healthz") == 200
        assert quickly(impatient, "/whole") == 200
        assert all(rest_of(client).startswith(b"HTTP/1.1 408 ") for client in clients)


def test_a_head_that_grows_slowly_has_no_more_time(impatient: Running) -> None:
    with connected(impatient.port, 1, b"GET /half HTTP/1.1\r\n") as (client,):
        client.settimeout(0.1)
        received = bytearray()
        wait_until(lambda: trickle(client, b"X: y\r\n", received))
        assert received.startswith(b"HTTP/1.1 408 ")


def trickle(client: socket.socket, more: bytes, received: bytearray) -> bool:
    """Send a little; whether it is answered by now."""
    if not received:
        client.sendall(more)
        with contextlib.suppress(TimeoutError):
            received += client.recv(65_536)
    return bool(received)


@pytest.mark.parametrize("target", [b"/orders", b"/elsewhere"])
def test_bodies_that_trickle_hold_no_thread_and_are_given_up(
    impatient: Running, app: HttpStub, key: str, target: bytes
) -> None:
    head = b"POST " + target + b" HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k-" + key.encode()
    with connected(impatient.port, 8, head + b"\r\nContent-Length: 100\r\n\r\n") as clients:
        for client in clients:
            client.settimeout(0.1)
        assert order(impatient, key).status == 200
        received = [bytearray() for _ in clients]
        wait_until(lambda: sum(trickle(*each) for each in zip(clients, [b"x"] * 8, received, strict=True)) == 8)
        assert {bytes(got).split(b" ")[1] for got in received} == {b"408"}
    assert [seen.target for seen in app.seen if len(seen.body) == 100] == []
    assert len(app.asked("POST")) == 1 or target == b"/elsewhere"  # of an owned one not even the head went on


def test_a_large_body_may_take_longer_if_it_comes_on(impatient: Running, app: HttpStub) -> None:
    sent = b"PUT /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 30000\r\n\r\n"
    pause = threading.Event()
    with connected(impatient.port, 1, sent) as (client,):
        for _ in range(30):
            client.sendall(b"x" * 1_000)
            pause.wait(0.1)  # 3 s in all, beyond the 2 s: time is the matter here
        assert rest_of(client).startswith(b"HTTP/1.1 200 ")


def test_streams_hold_no_thread(impatient: Running, app: HttpStub, key: str) -> None:
    def reply(seen: Seen) -> Reply:
        return stream() if seen.target == "/events" else answer(200, b"ok")

    def stream() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
        app.held.wait(30)

    app.reply = reply
    with connected(impatient.port, 20, b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n") as clients:
        for client in clients:
            received = b""
            while b"data: 1" not in received:
                received += client.recv(65_536)
        assert quickly(impatient, "/whole") == 200
        assert order(impatient, key).status == 200
        app.release()


def test_the_oldest_that_only_waits_makes_room(launch: StartFacade, app: HttpStub) -> None:
    facade = launch("--clients", "64")
    with connected(facade.port, 200, b"GET /half HTTP/1.1\r\n") as clients:
        assert quickly(facade, "/whole") == 200
        assert rest_of(clients[0]) == b""
        assert b'"event": "client_evicted"' in facade.said()


def test_health_has_a_port_that_clients_cannot_fill(launch: StartFacade, stack: Stack, app: HttpStub) -> None:
    free_port = stack.take_port()
    facade = launch("--clients", "64", "--health-port", str(free_port))
    app.reply = lambda _: waited(app)
    with connected(facade.port, 100, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"):
        wait_until(lambda: len(app.seen) >= 64)
        with socket.create_connection(("127.0.0.1", free_port), timeout=QUICK_S) as probe:
            probe.sendall(b"GET /-/healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert rest_of(probe).startswith(b"HTTP/1.1 200 OK\r\n")
        with socket.create_connection(("127.0.0.1", free_port), timeout=QUICK_S) as probe:
            probe.sendall(b"GET /elsewhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert rest_of(probe).startswith(b"HTTP/1.1 404 ")
        app.release()


def waited(app: HttpStub) -> Reply:
    app.held.wait(30)
    return answer(200, b"ok")


def test_a_client_that_takes_nothing_is_given_up(impatient: Running, app: HttpStub) -> None:
    app.reply = lambda _: answer(200, b"x" * 30_000_000)
    with connected(impatient.port, 1, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") as (client,):
        wait_until(lambda: b'"event": "client_takes_nothing"' in impatient.said())
        assert len(rest_of(client)) < 30_000_000
    app.reply = lambda _: answer(200, b"ok")
    assert quickly(impatient, "/whole") == 200
