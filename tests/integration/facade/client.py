"""Clients of a facade: one that sends the bytes a test wrote, and one that sends orders."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass

from strangler.local.process import Running
from strangler.step.intents import Json

ORDER = json.dumps({"client_ref": "c-1", "lines": []}).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it arrived."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def field(self, name: str) -> str | None:
        return next((value for found, value in self.fields if found.lower() == name.lower()), None)

    def json(self) -> dict[str, Json]:
        return dict(json.loads(self.body))


def send(facade: Running, data: bytes, *, timeout_s: float = 30, then_leave: bool = False) -> bytes:
    """Send these bytes (and no more, ever, if we `then_leave`), return all that comes until the facade hangs up."""
    with socket.create_connection(("127.0.0.1", facade.port or 0), timeout=timeout_s) as client:
        client.sendall(data)
        if then_leave:
            client.shutdown(socket.SHUT_WR)
        received = b""
        while piece := client.recv(65536):
            received += piece
        return received


def ask(
    facade: Running,
    method: str,
    target: str,
    body: bytes | None = None,
    fields: dict[str, str] | None = None,
    *,
    timeout_s: float = 30,
) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", facade.port, timeout=timeout_s)
    try:
        connection.request(method, target, body, fields or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def order(facade: Running, key: str, body: bytes = ORDER, **fields: str) -> Answer:
    """Place an order under a key."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return ask(facade, "POST", "/orders", body, {"Idempotency-Key": key, "Content-Type": "application/json", **named})
