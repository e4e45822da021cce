"""Is a Kafka there? Asked by hand on a socket, so that the answer needs no client and comes within its timeout.

A Kafka with TLS or SASL is asked by a client.
"""

from __future__ import annotations

import socket
import struct

from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka_settings import KafkaSettings, SecurityProtocol
from strangler.errors import DependencyDown

METADATA = 3
METADATA_VERSION = 4  # the lowest that Kafka 4 speaks and the last without tagged fields
CLIENT = b"strangler-probe"


def kafka_answers(bootstrap: str, timeout_s: float = 2.0) -> bool:
    """True when a broker says that it knows at least one live broker: topics can be made."""
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    host = host.strip("[]")  # an IPv6 address
    try:
        with socket.create_connection((host, int(port)), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(_metadata_request())
            size = struct.unpack(">i", _read(connection, 4))[0]
            answer = _read(connection, min(size, 1 << 20))
    except (OSError, ValueError, struct.error):
        return False
    # correlation id, throttle time, number of brokers
    return len(answer) >= 12 and struct.unpack(">i", answer[8:12])[0] > 0


def require_kafka(kafka: KafkaSettings) -> None:
    """Raises `DependencyDown` when nothing answers, `AccessDenied` when it does not let us in."""
    if kafka.security_protocol is not SecurityProtocol.PLAINTEXT:
        PythonAdmin(kafka).close()  # only a client can get in
    elif not kafka_answers(kafka.bootstrap):
        raise DependencyDown(f"no Kafka answers at {kafka.bootstrap}; start it, or leave the address out")


def _metadata_request() -> bytes:
    head = struct.pack(">hhih", METADATA, METADATA_VERSION, 1, len(CLIENT)) + CLIENT
    body = struct.pack(">i?", 0, False)  # no topics, create none
    return struct.pack(">i", len(head) + len(body)) + head + body


def _read(connection: socket.socket, count: int) -> bytes:
    chunks = b""
    while len(chunks) < count:
        chunk = connection.recv(count - len(chunks))
        if not chunk:
            raise OSError("connection closed")
        chunks += chunk
    return chunks
