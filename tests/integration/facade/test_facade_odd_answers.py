"""Answers that are odd, large, early or in several parts reach the client as it would get them without a facade."""

from __future__ import annotations

import socket
import threading

import pytest

from strangler.local.process import Running
from tests.integration.facade.client import order, send
from tests.integration.facade.conftest import StartFacade
from tests.support.http_stub import HttpStub, answer

ASK = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


def fields_of(got: bytes) -> list[bytes]:
    return got.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]


@pytest.mark.parametrize(
    ("sent", "gets"),
    [
        (b"X-Bad : 1", b"X-Bad: 1"),
        (b"A: 1\r\n folded", b"A: 1 folded"),
        (b"A: x\x01\x7fy", b"A: x\x01\x7fy"),
        (b"A: caf\xc3\xa9", b"A: caf\xc3\xa9"),
        (b"A: " + b"b" * 70_000, b"A: " + b"b" * 70_000),
        (b"A: x\rSet-Cookie: stolen", b"A: x Set-Cookie: stolen"),
        (b"Server: shop/1.0", b"Server: shop/1.0"),
        (b"X_Odd: y", b"X_Odd: y"),
    ],
    ids=lambda sent: repr(sent[:12]),
)
def test_a_field_passes_and_so_does_what_follows_it(facade: Running, app: HttpStub, sent: bytes, gets: bytes) -> None:
    app.reply = lambda _: OK + sent + b"\r\nSet-Cookie: s=1\r\nContent-Length: 2 \r\n\r\nok"
    got = send(facade, ASK)
    assert got.endswith(b"\r\n\r\nok")
    assert fields_of(got)[:3] == [gets, b"Set-Cookie: s=1", b"Content-Length: 2"]


def test_a_field_without_a_name_is_dropped_alone_and_told(facade: Running, app: HttpStub) -> None:
    app.reply = lambda _: OK + "naïve: 1\r\nSet-Cookie: s=1\r\nContent-Length: 2\r\n\r\nok".encode()
    assert fields_of(send(facade, ASK))[:2] == [b"Set-Cookie: s=1", b"Content-Length: 2"]
    assert b'"event": "response_fields_dropped"' in facade.said()


def test_hundreds_of_fields_pass(facade: Running, app: HttpStub) -> None:
    app.reply = lambda _: answer(200, b"ok", *(f"Set-Cookie: n{number}=1" for number in range(300)))
    assert sum(field.startswith(b"Set-Cookie") for field in fields_of(send(facade, ASK))) == 300


def test_a_reason_passes(facade: Running, app: HttpStub) -> None:
    app.reply = lambda _: b"HTTP/1.1 200 Caf\xe9 au lait\r\nContent-Length: 0\r\n\r\n"
    assert send(facade, ASK).startswith(b"HTTP/1.1 200 Caf\xe9 au lait\r\n")


@pytest.mark.parametrize("early", [b"103 Early Hints", b"102 Processing"])
def test_what_comes_before_the_answer_passes_but_not_to_an_old_client(
    facade: Running, app: HttpStub, early: bytes
) -> None:
    app.reply = lambda _: b"HTTP/1.1 " + early + b"\r\nLink: </a>\r\n\r\n" + answer(200, b"ok")
    got = send(facade, ASK)
    assert got.startswith(b"HTTP/1.1 " + early + b"\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Spoken\r\n")
    assert send(facade, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.0 200 Spoken\r\n")


def test_a_coding_beneath_the_chunks_is_told(facade: Running, app: HttpStub) -> None:
    app.reply = lambda _: OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n3\r\n\x1f\x8b\x00\r\n0\r\n\r\n"
    got = send(facade, ASK)
    assert b"Transfer-Encoding: gzip, chunked" in fields_of(got)
    assert got.endswith(b"3\r\n\x1f\x8b\x00\r\n0\r\n\r\n")
    assert send(facade, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.0 502 ")


def test_such_a_coding_is_kept_with_an_orders_answer(facade: Running, app: HttpStub, key: str) -> None:
    app.reply = lambda _: b"HTTP/1.1 201 Created\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nzz\r\n0\r\n\r\n"
    sent = b"POST /orders HTTP/1.1\r\nHost: a\r\nIdempotency-Key: " + key.encode() + b"\r\nContent-Length: 0\r\n"
    for _ in range(2):
        got = send(facade, sent + b"Connection: close\r\n\r\n")
        assert b"Transfer-Encoding: gzip, chunked" in fields_of(got)
        assert got.endswith(b"2\r\nzz\r\n0\r\n\r\n")
    assert len(app.asked("POST")) == 1


def test_an_orders_answer_is_read_as_tolerantly(facade: Running, app: HttpStub, key: str) -> None:
    app.reply = lambda _: (
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 201 Created\r\nX-Bad : 1\r\nLocation: /o/1\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )
    first, again = order(facade, key), order(facade, key)
    assert (first.status, first.field("X-Bad"), first.field("Location"), first.body) == (201, "1", "/o/1", b"ok")
    assert (again.status, again.field("Location"), len(app.asked("POST"))) == (201, "/o/1", 1)


@pytest.mark.parametrize("hangs_up", [True, False])
def test_an_early_answer_arrives_while_the_client_still_sends(launch: StartFacade, hangs_up: bool) -> None:
    """The application says 401 after the head, and reads no more of the body."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        facade = launch(upstream=f"http://127.0.0.1:{listener.getsockname()[1]}")
        for _ in range(5):
            refusing = threading.Thread(target=refuse_one, args=(listener, hangs_up, heard := threading.Event()))
            refusing.start()
            with socket.create_connection(("127.0.0.1", facade.port or 0), timeout=20) as client:
                client.sendall(
                    b"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n" + b"x" * 1_000_000
                )
                client.sendall(b"x" * 1_000_000)  # a reset here would mean that it cannot read the answer either
                received = client.recv(65_536)
            heard.set()
            refusing.join(30)
            assert received.startswith(b"HTTP/1.1 401 Spoken\r\n")


def refuse_one(listener: socket.socket, hangs_up: bool, heard: threading.Event) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(30)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(4096)
        connection.sendall(answer(401, b"no"))
        if not hangs_up:
            heard.wait(30)
