"""What the plan does not own passes the facade unchanged, in both directions."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator

import pytest

from strangler.local.process import Running
from tests.integration.facade.client import ask, send
from tests.integration.facade.conftest import StartFacade
from tests.support.http_stub import HANG_UP, HttpStub, Reply, Seen, answer

MEGABYTE = 1024 * 1024


def test_the_raw_target_and_the_fields_arrive_as_sent(facade: Running, app: HttpStub) -> None:
    send(
        facade,
        b"GET /a%2Fb//c/../d;p=1?x=%20&y=a+b HTTP/1.1\r\nHost: shop.example\r\nX_Api_Key: k\r\nX-Twice: 1\r\n"
        b"Accept: a\r\nX-Twice: 2\r\nX-Latin: caf\xe9\r\nTE: t\r\n"
        b"Connection: close\r\nConnection: x-hop\r\nX-Hop: gone\r\n\r\n",
    )
    (seen,) = app.seen
    assert seen.line == "GET /a%2Fb//c/../d;p=1?x=%20&y=a+b HTTP/1.1"
    assert seen.fields == [
        ("Host", "shop.example"),
        ("X_Api_Key", "k"),
        ("X-Twice", "1"),
        ("Accept", "a"),
        ("X-Twice", "2"),
        ("X-Latin", "caf\xe9"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "shop.example"),
    ]


def test_a_response_arrives_as_sent(facade: Running, app: HttpStub) -> None:
    app.reply = lambda _: answer(
        302,
        b"",
        "Location: /next?a=%2F",
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "X_Odd: o",
        "Connection: X-Hop",
        "X-Hop: h",
    )
    got = ask(facade, "GET", "/")
    assert got.status == 302
    own = ("date", "connection")
    assert [field for field in got.fields if field[0].lower() not in own] == [
        ("Content-Length", "0"),
        ("Location", "/next?a=%2F"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X_Odd", "o"),
    ]


def test_control_fields_of_a_client_are_dropped_in_every_spelling(facade: Running, app: HttpStub) -> None:
    sent = {"Strangler-Ownership": "epoch=9, payment=new", "strangler_ownership": "x", "Strangler-Order-Ref": "mine"}
    ask(facade, "GET", "/", fields={**sent, "Transfer_Encoding": "chunked", "X_Forwarded_For": "1.2.3.4"})
    (seen,) = app.seen
    names = [name.lower() for name, _ in seen.fields]
    assert not [name for name in names if name.startswith("strangler") or "_" in name]


def test_a_field_named_for_a_setting_of_the_server_is_only_a_field(facade: Running, app: HttpStub) -> None:
    assert ask(facade, "GET", "/x", fields={"SCRIPT_NAME": "/orders"}).status == 200
    assert app.seen[0].values("SCRIPT_NAME") == ["/orders"]


@pytest.mark.parametrize(
    ("reply", "status", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: e\r\n\r\n", 200, "1234"),
        (b"HTTP/1.1 304 Not Modified\r\nETag: e\r\n\r\n", 304, None),
        (b"HTTP/1.1 204 No Content\r\nETag: e\r\n\r\n", 204, None),
    ],
)
def test_answers_without_a_body_keep_their_fields_and_the_connection(
    facade: Running, app: HttpStub, reply: bytes, status: int, length: str | None
) -> None:
    app.reply = lambda _: reply
    method = "HEAD" if status == 200 else "GET"
    for _ in range(2):
        got = ask(facade, method, "/")
        assert (got.status, got.field("ETag"), got.field("Content-Length"), got.body) == (status, "e", length, b"")
    assert len({seen.connection for seen in app.seen}) == 1


def test_a_range_passes(facade: Running, app: HttpStub) -> None:
    app.reply = lambda seen: answer(206, seen.values("range")[0].encode(), "Content-Range: bytes 0-3/10")
    got = ask(facade, "GET", "/file", fields={"Range": "bytes=0-3"})
    assert (got.status, got.body, got.field("Content-Range")) == (206, b"bytes=0-3", "bytes 0-3/10")


def test_a_chunked_response_keeps_its_bytes_and_encoding(facade: Running, app: HttpStub) -> None:
    app.reply = lambda _: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
        b"5;x=y\r\n\x1f\x8b\x00ab\r\n3\r\ncde\r\n0\r\nTrailer-Field: t\r\n\r\n"
    )
    for _ in range(2):
        got = ask(facade, "GET", "/")
        assert (got.body, got.field("Content-Encoding")) == (b"\x1f\x8b\x00abcde", "gzip")
    assert len({seen.connection for seen in app.seen}) == 1


def test_large_bodies_stream_both_ways(facade: Running, app: HttpStub) -> None:
    block = bytes(range(256)) * 4096  # 1 MiB

    def reply(seen: Seen) -> Reply:
        def pieces() -> Iterator[bytes]:
            yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
            yield hashlib.sha256(seen.body).hexdigest().encode()
            for _ in range(24):
                yield block

        return pieces()

    app.reply = reply
    for fields in ({}, {"Transfer-Encoding": "chunked"}):
        sent = block * 16
        body = sent if not fields else b"".join(b"%x\r\n%b\r\n" % (MEGABYTE, block) for _ in range(16)) + b"0\r\n\r\n"
        got = ask(facade, "PUT", "/upload", body, fields)
        assert got.body[:64].decode() == hashlib.sha256(sent).hexdigest()
        assert got.body[64:] == block * 24


def test_a_streamed_response_is_not_held_back(facade: Running, app: HttpStub) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
        yield b"4\r\nlast\r\n0\r\n\r\n" if app.held.wait(30) else HANG_UP

    app.reply = lambda _: pieces()
    with socket.create_connection(("127.0.0.1", facade.port or 0), timeout=30) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = b""
        while b"first" not in received:
            received += client.recv(65536)
        app.release()  # the client has the first piece before the next is written
        while piece := client.recv(65536):
            received += piece
    assert received.endswith(b"4\r\nlast\r\n0\r\n\r\n")


def test_an_absolute_target_goes_on_in_origin_form(facade: Running, app: HttpStub) -> None:
    send(facade, b"GET http://shop.example/a%2Fb?c HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
    assert app.seen[0].line == "GET /a%2Fb?c HTTP/1.1"


def test_a_closed_kept_alive_connection_costs_a_reader_nothing(facade: Running, app: HttpStub) -> None:
    """The application hangs up on the second request of a connection, as a server does that just timed it out."""
    app.reply = lambda seen: HANG_UP if _nth_of_its_connection(app, seen) == 2 else answer(200, b"ok")
    for _ in range(4):
        assert ask(facade, "GET", "/").status == 200


def test_a_write_that_met_a_closing_connection_is_not_sent_again(facade: Running, app: HttpStub) -> None:
    app.reply = lambda seen: HANG_UP if seen.line.startswith("POST") else answer(200, b"ok")
    ask(facade, "GET", "/")
    got = ask(facade, "POST", "/elsewhere", b"x")
    assert (got.status, got.json()["effect"]) == (502, "unknown")
    assert len(app.asked("POST")) == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"SPDY nonsense\r\n\r\n",
    ],
)
def test_a_response_whose_end_is_unclear_is_not_passed_on(facade: Running, app: HttpStub, reply: bytes) -> None:
    app.reply = lambda _: reply
    got = ask(facade, "GET", "/")
    assert (got.status, got.field("Content-Type")) == (502, "application/problem+json")
    app.reply = lambda _: answer(200, b"next")
    assert ask(facade, "GET", "/").body == b"next"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 50\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    ],
)
def test_a_response_that_breaks_off_does_not_look_complete(facade: Running, app: HttpStub, reply: bytes) -> None:
    app.reply = lambda _: reply
    got = send(facade, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"half" in got
    assert not got.endswith(b"0\r\n\r\n")


def test_an_application_that_is_down_is_told_as_no_effect(launch: StartFacade) -> None:
    facade = launch(upstream="http://127.0.0.1:1")
    got = ask(facade, "POST", "/elsewhere", b"x")
    assert (got.status, got.json()["effect"], got.field("Strangler-Rejected")) == (503, "none", "other")
    assert got.field("Retry-After") == "2"


def test_an_application_that_is_silent_is_given_up(launch: StartFacade, app: HttpStub) -> None:
    facade = launch("--read-timeout-s", "2")

    def half() -> Iterator[bytes]:
        yield b"HTTP/1.1 200"
        app.held.wait(30)

    app.reply = lambda seen: half() if seen.line.startswith("POST") else answer(200, b"")
    got = ask(facade, "POST", "/elsewhere", b"x")
    assert (got.status, got.json()["effect"]) == (504, "unknown")
    assert ask(facade, "GET", "/").status == 200


def test_only_its_own_prefix_is_the_facades(facade: Running, app: HttpStub) -> None:
    assert ask(facade, "GET", "/-/healthz").json() == {"status": "ready", "database": "up"}
    assert ask(facade, "GET", "/%2D/nothing").status == ask(facade, "POST", "/-/healthz").status == 404
    assert not app.seen
    assert ask(facade, "GET", "/healthz").body == b"ok"


def _nth_of_its_connection(app: HttpStub, seen: Seen) -> int:
    return sum(other.connection == seen.connection for other in app.seen)
