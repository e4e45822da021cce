"""The probe believes only an answer that names a live broker, and never hangs."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from strangler.local.kafka_probe import kafka_answers


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that reads one request and sends `answer`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(30)


def metadata(brokers: int) -> bytes:
    body = struct.pack(">iii", 1, 0, brokers)
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(metadata(1), True), (metadata(0), False), (b"HTTP/1.1 400 Bad Request\r\n\r\n", False), (b"", False)],
)
def test_only_a_live_broker_counts(answer: bytes, expected: bool) -> None:
    with answering(answer) as address:
        assert kafka_answers(address, timeout_s=20) is expected


def test_a_silent_server_is_no_kafka() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not kafka_answers(f"127.0.0.1:{server.getsockname()[1]}", timeout_s=0.1)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:", "nonsense", "127.0.0.1:x"])
def test_no_server_is_no_kafka(address: str) -> None:
    assert not kafka_answers(address, timeout_s=1)
