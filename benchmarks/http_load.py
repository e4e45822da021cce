"""Raw HTTP clients: as cheap as Python allows, so that what answers is measured and not who asks."""

from __future__ import annotations

import secrets
import socket
import sys
import threading
import time
from dataclasses import dataclass
from itertools import count

WAITS_S = 10.0
BODY = b'{"client_ref": "c", "lines": [' + b", ".join(b'{"sku": "%d", "quantity": 1}' % n for n in range(5)) + b"]}"


@dataclass(slots=True)
class Client:
    """One connection, one request after the other."""

    socket: socket.socket

    @classmethod
    def to(cls, port: int) -> Client:
        connected = socket.create_connection(("127.0.0.1", port), timeout=WAITS_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connected)

    def get(self, path: str) -> int:
        """Its status."""
        return self._asked(b"GET %s HTTP/1.1\r\nHost: bench\r\n\r\n" % path.encode())

    def post(self, path: str) -> int:
        """The same of an order with a key of its own."""
        head = b"POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nIdempotency-Key: %s\r\n"
        key = secrets.token_hex(8).encode()
        return self._asked(head % (path.encode(), key) + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)

    def _asked(self, request: bytes) -> int:
        self.socket.sendall(request)
        answer = self.socket.recv(65_536)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[:end].lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        while len(answer) < end + 4 + length:
            answer += self._more()
        return int(answer[9:12])

    def _more(self) -> bytes:
        more = self.socket.recv(65_536)
        if not more:
            raise ConnectionError("closed within an answer")
        return more


def main(argv: list[str]) -> int:
    """`PORT PATH CONNECTIONS SECONDS`: requests a second, on stdout."""
    port, path, connections, seconds = int(argv[0]), argv[1], int(argv[2]), float(argv[3])
    until, counts = time.monotonic() + seconds, [0] * connections

    def ask(at: int) -> None:
        client = Client.to(port)
        for number in count(1):
            if client.get(path) != 200:
                raise RuntimeError(f"GET {path} at port {port} was not answered by 200")
            counts[at] = number
            if time.monotonic() > until:
                return

    threads = [threading.Thread(target=ask, args=[at]) for at in range(connections)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if not all(counts):
        return 1
    print(sum(counts) / seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
