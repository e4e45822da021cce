"""An address at which another one answers, as a balancer's does: for as long as it is open, and not before."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

CONNECT_WITHIN_S = 5.0


@contextlib.contextmanager
def forwarding(port: int, target: str) -> Iterator[None]:
    """From this port of loopback to `target`, host:port."""
    host, _, number = target.rpartition(":")
    with socket.create_server(("127.0.0.1", port)) as server:
        threading.Thread(target=_accept, args=(server, (host, int(number))), daemon=True).start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, target: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            there = socket.create_connection(target, CONNECT_WITHIN_S)
            there.settimeout(None)
            for pair in ((client, there), (there, client)):
                threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
