"""Connections that are cut off: a part of an answer is not taken for the whole, and a write goes on to its end."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import IncompleteRead
from pathlib import Path

import pytest

from outbox.connection import PsycopgConnection
from tests.integration.facade.client import ask
from tests.integration.facade.conftest import StartFacade
from tests.support.certificates import certificate
from tests.support.http_stub import HttpStub, Reply, Seen, answer
from tests.support.waiting import wait_until

STATE = "SELECT state, status FROM strangler.idempotency WHERE key = %s"
COMMAND = "/orders/R1/cancellations"
PART = b'HTTP/1.1 200 OK\r\n\r\n{"amount": 10'
RESET = struct.pack("ii", 1, 0)

Ends = Callable[[socket.socket], None]


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def says_goodbye(connection: socket.socket) -> None:
    if isinstance(connection, ssl.SSLSocket):
        connection = connection.unwrap()
    connection.close()


def says_nothing(connection: socket.socket) -> None:
    """The end of TCP without one of TLS, as who cuts the line can make it."""
    os.close(connection.detach())


@pytest.fixture(scope="module")
def own_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@contextmanager
def served(one: Callable[[socket.socket], None]) -> Iterator[int]:
    """An application for tests of how connections end: `one` has each of them. Its port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            one(connection)

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        serving.join(30)


def request_on(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (piece := connection.recv(65536)):
        data += piece
    return data


@contextmanager
def parting(ends: Ends, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, threading.Event]]:
    """It sends a part of an answer, and `ends` when the event is set."""
    told = threading.Event()

    def one(connection: socket.socket) -> None:
        speaking = connection if tls is None else tls.wrap_socket(connection, server_side=True)
        if request_on(speaking):
            speaking.sendall(PART)
            told.wait(30)
            ends(speaking)

    with served(one) as port:
        yield port, told


def context_of(path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, path.with_suffix(".key"))
    return context


@pytest.mark.parametrize(
    ("ends", "secured", "status"),
    [
        (resets, False, 502),
        (says_goodbye, False, 200),
        (resets, True, 502),
        (says_nothing, True, 502),
        (says_goodbye, True, 200),
    ],
)
def test_an_answer_that_ends_with_its_connection_is_kept_only_if_that_was_no_cut(
    launch: StartFacade,
    connection: PsycopgConnection,
    own_certificate: Path,
    key: str,
    *,
    ends: Ends,
    secured: bool,
    status: int,
) -> None:
    with parting(ends, context_of(own_certificate) if secured else None) as (port, told):
        told.set()
        flags = ("--upstream-ca-file", str(own_certificate)) if secured else ()
        facade = launch(*flags, upstream=f"http{'s' if secured else ''}://127.0.0.1:{port}")
        got = ask(facade, "POST", COMMAND, b"{}", {"Idempotency-Key": key})
        assert got.status == status
        kept = ("done", 200) if status == 200 else ("started", None)
        wait_until(lambda: connection.execute(STATE, (key,)).fetchone() == kept)
        facade.kill()


@pytest.mark.parametrize(("ends", "secured"), [(resets, False), (says_nothing, True)])
def test_an_answer_that_is_passed_on_and_cut_has_no_clean_end(
    launch: StartFacade, own_certificate: Path, ends: Ends, secured: bool
) -> None:
    with parting(ends, context_of(own_certificate) if secured else None) as (port, told):
        told.set()
        flags = ("--upstream-ca-file", str(own_certificate)) if secured else ()
        facade = launch(*flags, upstream=f"http{'s' if secured else ''}://127.0.0.1:{port}")
        with pytest.raises((IncompleteRead, ConnectionError)):
            ask(facade, "GET", "/other")
        assert '"answer_truncated"' in facade.log_path.read_text()
        facade.kill()


def test_what_was_sent_once_is_not_called_unsent_when_there_is_no_second_connection(
    launch: StartFacade, connection: PsycopgConnection, key: str
) -> None:
    """It died behind the request, which it may have carried out."""
    got: list[bytes] = []
    listening: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        got.append(request_on(connection))
        connection.sendall(answer(200, b"ok"))
        got.append(request_on(connection))
        listening[0].close()
        connection.close()

    listening.append(socket.create_server(("127.0.0.1", 0)))
    accepting = threading.Thread(target=lambda: one(listening[0].accept()[0]), daemon=True)
    accepting.start()
    facade = launch(upstream=f"http://127.0.0.1:{listening[0].getsockname()[1]}")
    path = "/orders/R1/address"
    assert ask(facade, "PUT", path, b"{}", {"Idempotency-Key": f"{key}-first"}).status == 200
    second = ask(facade, "PUT", path, b"{}", {"Idempotency-Key": key})
    accepting.join(30)
    assert (second.json()["effect"], [line.split(b" ")[0] for line in got]) == ("unknown", [b"PUT", b"PUT"])
    assert connection.execute(STATE, (key,)).fetchone() == ("started", None)


def test_sigterm_lets_a_write_end_whose_client_was_reset(
    launch: StartFacade, app: HttpStub, connection: PsycopgConnection, key: str
) -> None:
    def reply(_: Seen) -> Reply:
        app.held.wait(30)
        return answer(200, b"done")

    facade = launch()
    app.reply = reply
    with socket.create_connection(("127.0.0.1", facade.port or 0), timeout=30) as client:
        head = f"POST {COMMAND} HTTP/1.1\r\nHost: a\r\nIdempotency-Key: {key}\r\nContent-Length: 2\r\n\r\n{{}}"
        client.sendall(head.encode())
        wait_until(lambda: len(app.asked("POST")) == 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    marker = secrets.token_hex(4)  # behind its answer the reset has been read, too
    with socket.create_connection(("127.0.0.1", facade.port or 0), timeout=30) as idle:
        idle.sendall(f"GET /-/healthz?{marker} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert idle.recv(65_536).startswith(b"HTTP/1.1 ")
        os.kill(facade.pid, signal.SIGTERM)
        while idle.recv(65_536):
            pass
    app.release()
    wait_until(lambda: connection.execute(STATE, (key,)).fetchone() == ("done", 200))
    assert facade.terminate() == 0
    assert "requests_cut_off" not in facade.log_path.read_text()
