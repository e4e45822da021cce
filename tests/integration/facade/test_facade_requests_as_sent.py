"""What a client has sent is what the application is asked: names, hosts, expectations, and their order."""

from __future__ import annotations

import socket
import threading

import pytest

from strangler.local.process import Running
from tests.integration.facade.client import send
from tests.integration.facade.conftest import StartFacade
from tests.support.http_stub import HttpStub, Reply, Seen, answer


def test_names_keep_their_letters(facade: Running, app: HttpStub) -> None:
    send(facade, b"GET / HTTP/1.1\r\nhOST: a\r\nX-MixedCase: 1\r\ncookie: c\r\nConnection: close\r\n\r\n")
    assert [name for name, _ in app.seen[0].fields][:3] == ["hOST", "X-MixedCase", "cookie"]


def test_a_missing_host_is_refused_and_never_made_up(facade: Running, app: HttpStub) -> None:
    assert send(facade, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert not app.seen
    assert send(facade, b"GET /old HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")
    assert (app.seen[0].line, app.seen[0].values("host")) == ("GET /old HTTP/1.0", [])


def test_hundreds_of_fields_and_long_ones_pass(facade: Running, app: HttpStub) -> None:
    fields = b"X: a\r\n" * 500 + b"Y: " + b"b" * 20_000 + b"\r\n"
    send(facade, b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"Connection: close\r\n\r\n")
    assert len(app.seen[0].values("X")) == 500
    assert len(app.seen[0].values("Y")[0]) == 20_000


EXPECTING = b"PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"


def test_whether_a_body_is_wanted_is_asked_of_the_application(launch: StartFacade) -> None:
    """It refuses by the head alone: the client is not told to go on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        facade = launch(upstream=f"http://127.0.0.1:{listener.getsockname()[1]}")
        refusing = threading.Thread(target=say_by_the_head, args=(listener, answer(401, b"no")))
        refusing.start()
        assert send(facade, EXPECTING).startswith(b"HTTP/1.1 401 ")
        refusing.join(30)
        asking = threading.Thread(target=say_by_the_head, args=(listener, b"HTTP/1.1 100 Continue\r\n\r\n"))
        asking.start()
        with socket.create_connection(("127.0.0.1", facade.port or 0), timeout=30) as client:
            client.sendall(EXPECTING)
            assert client.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"hi")
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        asking.join(30)


def say_by_the_head(listener: socket.socket, said: bytes) -> None:
    """And, if that asks for the body, 200 after it."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(30)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(4096)
        assert b"Expect: 100-continue" in received
        connection.sendall(said)
        if b" 100 " in said:
            assert connection.recv(4096) == b"hi"
            connection.sendall(answer(200, b"ok"))


def test_an_orders_body_is_read_before_the_application_is_asked(facade: Running, app: HttpStub, key: str) -> None:
    head = b"POST /orders HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nIdempotency-Key: " + key.encode()
    with socket.create_connection(("127.0.0.1", facade.port or 0), timeout=30) as client:
        client.sendall(head + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        assert client.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hi")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert (app.seen[0].body, app.seen[0].values("Expect")) == (b"hi", [])


@pytest.mark.parametrize("target", [b"/chat", b"/chat?x"])
def test_a_websocket_is_refused_in_words(facade: Running, app: HttpStub, target: bytes) -> None:
    head = b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n"
    with socket.create_connection(("127.0.0.1", facade.port or 0), timeout=30) as client:
        client.sendall(head + b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := client.recv(65_536):
            received += piece
    assert received.startswith(b"HTTP/1.1 501 ")
    assert b"urn:problem-type:strangler:no-upgrade" in received
    assert [seen.target for seen in app.seen] == ["/next"]


def test_another_upgrade_is_not_taken_and_the_request_goes_on(facade: Running, app: HttpStub) -> None:
    got = send(
        facade,
        b"POST /x HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Content-Length: 2\r\n\r\nhiGET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    assert got.count(b"HTTP/1.1 200 ") == 2
    assert [(seen.target, seen.body, seen.values("Upgrade")) for seen in app.seen] == [
        ("/x", b"hi", []),
        ("/next", b"", []),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        b"X-Original-URL: /a%2525;b\\//./\r\nX-HTTP-Method: PUT\r\n" * 400,
        b"X-Rewrite-URL: /" + b"%2525252f..;a\\//./" * 3_000 + b"\r\n",
    ],
)
def test_overrides_that_take_long_to_read_are_refused_unread(facade: Running, app: HttpStub, fields: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"Connection: close\r\n\r\n"
    for _ in range(20):
        assert send(facade, head, timeout_s=5).startswith(b"HTTP/1.1 400 ")
    assert not app.seen


def test_many_requests_at_once_are_answered_in_their_order(facade: Running, app: HttpStub) -> None:
    def reply(seen: Seen) -> Reply:
        return answer(200, seen.target.encode())

    app.reply = reply
    asked = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(500))
    got = send(facade, asked + b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in got.split(b"HTTP/1.1 200 ")[1:]]
    assert bodies == [*(b"/%d" % number for number in range(500)), b"/last"]
