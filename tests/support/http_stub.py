"""The one HTTP stub of the tests, as raw as it gets: keeps every byte it is sent, answers with bytes a test wrote."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedIOBase
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import ClassVar

HANG_UP = b""
JOINED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived; `body` without chunk framing."""

    head: bytes
    body: bytes
    connection: int

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def method(self) -> str:
        return self.line.split(" ", 1)[0]

    @property
    def target(self) -> str:
        """As it was sent: nothing is decoded."""
        return self.line.split(" ")[1]

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]

    def values(self, name: str) -> list[str]:
        return [value for found, value in self.fields if found.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        """Of a field that stands at most once."""
        values = self.values(name)
        assert len(values) < 2, f"{name} stands {len(values)} times in {self.line!r}: {values}"
        return values[0] if values else None


Reply = bytes | Iterable[bytes]


def say_ok(_: Seen) -> Reply:
    return answer(200, b"ok")


@dataclass
class HttpStub:
    """`reply` makes the bytes of an answer; `HANG_UP` closes the connection instead. Replies may wait for `held`.

    A reply that raises fails the test when the stub ends, for its client only sees a connection that is closed.
    """

    url: str = ""
    reply: Callable[[Seen], Reply] = say_ok
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    failed: list[str] = field(default_factory=list)

    def forget(self) -> None:
        self.reply, self.seen, self.held = say_ok, [], threading.Event()

    def release(self) -> None:
        """Let replies go on that wait for `held`."""
        self.held.set()

    def asked(self, method: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == method]


class _Connection(StreamRequestHandler):
    state: ClassVar[HttpStub]
    timeout = 30

    def handle(self) -> None:
        self.state.connections += 1
        number = self.state.connections
        while (head := _head(self.rfile)) is not None:
            seen = Seen(head, _body(head, self.rfile), number)
            self.state.seen.append(seen)
            try:
                reply = self.state.reply(seen)
            except Exception as error:
                self.state.failed.append(f"{seen.line!r}: {error!r}")
                raise
            if reply == HANG_UP:
                return
            for piece in [reply] if isinstance(reply, bytes) else reply:
                self.wfile.write(piece)
                self.wfile.flush()
            if b"connection: close" in (reply[:500].lower() if isinstance(reply, bytes) else b"connection: close"):
                return


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, object]:
        """Whoever reads shakes hands: nobody waits for a client's."""
        client, address = super().get_request()
        if self.tls is not None:
            client = self.tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        return client, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A facade that is killed hangs up on us."""


def answer(status: int, body: bytes, *fields: str) -> bytes:
    """An answer with a length."""
    lines = [f"HTTP/1.1 {status} Spoken", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@contextmanager
def http_stub(reply: Callable[[Seen], Reply] = say_ok, *, tls: ssl.SSLContext | None = None) -> Iterator[HttpStub]:
    """On a free port of loopback, until the block ends; each connection is served by a thread of its own."""
    state = HttpStub(reply=reply)
    handler = type("Connection", (_Connection,), {"state": state})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.tls = tls
        state.url = f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_address[1]}"
        try:
            yield state
            assert state.failed == [], f"the stub at {state.url} could not reply to {state.failed}"
        finally:
            server.shutdown()
            thread.join(JOINED_WITHIN_S)
            assert not thread.is_alive(), f"the stub at {state.url} still serves after {JOINED_WITHIN_S:g} s"


def _head(stream: BufferedIOBase) -> bytes | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    return head[:-4]


def _body(head: bytes, stream: BufferedIOBase) -> bytes:
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))}
    if b"transfer-encoding" not in fields:
        return stream.read(int(fields.get(b"content-length", b"0")))
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body
