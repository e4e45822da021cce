"""A message broker for tests: as much of AMQP 0-9-1 as a publisher with confirms speaks. It keeps what it is told."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.running import in_thread

METHOD, HEADER, BODY, END = 1, 2, 3, b"\xce"
START, START_OK, TUNE, TUNE_OK, OPEN, CLOSE, CLOSE_OK = ((10, number) for number in (10, 11, 30, 31, 40, 50, 51))
OPENED = (10, 41)
# What is answered by one method without anything in it, or with an empty text.
PLAIN: Mapping[tuple[int, int], tuple[tuple[int, int], bytes]] = {
    OPEN: (OPENED, b"\0"),
    CLOSE: (CLOSE_OK, b""),
    (20, 10): ((20, 11), b"\0\0\0\0"),  # a channel is opened
    (20, 40): ((20, 41), b""),  # and closed
    (40, 10): ((40, 11), b""),  # an exchange is declared
    (85, 10): ((85, 11), b""),  # confirms are asked for
}
PUBLISH, ACK = (60, 40), (60, 80)


@dataclass(frozen=True, slots=True)
class Published:
    """A message as it arrived."""

    id: str
    topic: str
    body: Any


@dataclass(slots=True)
class Broker:
    """`address` is for `amqp://`."""

    address: str
    messages: list[Published] = field(default_factory=list)


class _Connection(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        assert self.rfile.read(8) == b"AMQP\0\0\x09\x01"
        able = b"".join(_short(name) + b"t\1" for name in (b"publisher_confirms", b"basic.nack"))
        properties = _long(_short(b"capabilities") + b"F" + _long(able))
        self._method(0, START, b"\0\x09" + properties + _long(b"PLAIN EXTERNAL") + _long(b"en_US"))
        told: dict[int, _Arriving] = {}
        for kind, channel, payload in iter(self._frame, None):
            if kind == METHOD:
                self._asked(channel, struct.unpack(">HH", payload[:4]), payload[4:], told)
            elif kind == HEADER:
                told[channel].of_header(payload)
            elif kind == BODY:
                told[channel].body += payload
            one = told.get(channel)
            if one is not None and one.whole:
                self._take(channel, one)

    def _asked(self, channel: int, method: Any, payload: bytes, told: dict[int, _Arriving]) -> None:
        if method == START_OK:
            self._method(0, TUNE, struct.pack(">HIH", 100, 131_072, 0))
        elif method == PUBLISH:
            exchange = payload[3 : 3 + payload[2]]
            topic = payload[4 + len(exchange) : 4 + len(exchange) + payload[3 + len(exchange)]]
            number = told[channel].number + 1 if channel in told else 1
            told[channel] = _Arriving(number, topic.decode())
        elif method in PLAIN:
            self._method(channel, *PLAIN[method])

    def _take(self, channel: int, one: _Arriving) -> None:
        with self.server.lock:
            self.server.broker.messages.append(Published(one.id, one.topic, json.loads(one.body)))
        one.size = None
        self._method(channel, ACK, struct.pack(">QB", one.number, 0))

    def _frame(self) -> tuple[int, int, bytes] | None:
        head = self.rfile.read(7)
        if len(head) < 7:
            return None
        kind, channel, size = struct.unpack(">BHI", head)
        payload = self.rfile.read(size + 1)
        return (kind, channel, payload[:-1]) if len(payload) == size + 1 else None

    def _method(self, channel: int, method: tuple[int, int], payload: bytes) -> None:
        body = struct.pack(">HH", *method) + payload
        self.wfile.write(struct.pack(">BHI", METHOD, channel, len(body)) + body + END)


@dataclass(slots=True)
class _Arriving:
    """`size` is that of the body, None where it is not known, or the message was taken."""

    number: int
    topic: str
    id: str = ""
    size: int | None = None
    body: bytes = b""

    @property
    def whole(self) -> bool:
        return self.size is not None and len(self.body) == self.size

    def of_header(self, payload: bytes) -> None:
        _, _, self.size, flags = struct.unpack(">HHQH", payload[:14])
        rest = payload[14:]
        # By their bits: type, encoding, headers, delivery mode, priority, correlation, reply-to, expiration, id.
        for bit, length in enumerate(("short", "short", "table", 1, 1, "short", "short", "short", "short")):
            if not flags & (1 << (15 - bit)):
                continue
            end = 1 + rest[0] if length == "short" else 1
            end = 4 + int.from_bytes(rest[:4], "big") if length == "table" else end
            if bit == 8:
                self.id = rest[1:end].decode()
            rest = rest[end:]


def _short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.lock = threading.Lock()
        self.broker = Broker(f"127.0.0.1:{self.server_address[1]}")


@contextmanager
def amqp_server() -> Iterator[Broker]:
    """On a free port of loopback, until the block ends."""
    with _Server() as server, in_thread(server.serve_forever, server.shutdown):
        yield server.broker
