"""A way to a server that counts how often its client has asked and waited for an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

JOINED_WITHIN_S = 30.0


class RoundTrips:
    """`count` is right whenever the client has its answer: a question is counted before it is passed on."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.count = 0
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Every connection must have been closed by its client."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(JOINED_WITHIN_S)
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            asked = threading.Event()
            server = socket.create_connection(self._server)
            self._sockets += [client, server]
            for source, sink, asks in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._pass_on, args=(source, sink, asked, asks), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, asked: threading.Event, asks: bool) -> None:
        while data := _received(source):
            if asks and not asked.is_set():
                self.count += 1
                asked.set()
            if not asks:
                asked.clear()
            try:
                sink.sendall(data)
            except OSError:  # its other end is gone
                break
        with suppress(OSError):  # closed by the other thread's end
            sink.shutdown(socket.SHUT_RDWR)


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:  # shut down by the other thread
        return b""


@contextmanager
def counting_round_trips(dsn: str) -> Iterator[tuple[RoundTrips, str]]:
    """The counter, and a DSN that leads through it."""
    parts = urlsplit(dsn)
    trips = RoundTrips((parts.hostname or "", parts.port or 0))
    user, _, _ = parts.netloc.rpartition("@")
    with closing(trips):
        yield trips, urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{trips.port}"))
