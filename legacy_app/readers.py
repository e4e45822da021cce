"""What the new side has really done, read for the judge: its rows, its planned effects, the gateway's ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from legacy_app.vendor_ledger import read_ledger
from outbox.connection import PsycopgConnection
from strangler.errors import BadInput
from strangler.facts import Fact
from strangler.step.intents import Json

# Unqualified: the judge's connection looks into the context's own schema.
EFFECTS = "SELECT order_ref, number, body, state FROM effect WHERE step = 'notification' ORDER BY order_ref, number"
DOCUMENTS = "SELECT order_ref, version, body FROM document ORDER BY order_ref"
BASKETS = "SELECT order_ref, version, customer_id, skus FROM basket ORDER BY order_ref"
UNDER_WAY = frozenset({"planned", "sent", "unknown"})


def planned_mails(connection: PsycopgConnection) -> Iterator[Fact]:
    """One for each effect row; pending until the gateway has answered."""
    for order_ref, number, body, state in connection.execute(EFFECTS):
        yield Fact(order_ref, number, number // 100, body, pending=state in UNDER_WAY)


def documents(connection: PsycopgConnection) -> Iterator[Fact]:
    for order_ref, version, body in connection.execute(DOCUMENTS):
        yield Fact(order_ref, version * 100, version, body)


def baskets(connection: PsycopgConnection) -> Iterator[Fact]:
    for order_ref, version, customer_id, skus in connection.execute(BASKETS):
        fields = {"order_ref": order_ref, "version": version, "customer_id": customer_id, "skus": skus}
        yield Fact(order_ref, version * 100, version, fields)


def sent_mails(environ: Mapping[str, str]) -> Iterator[Fact]:
    """What the gateway was really asked to send, by whomever; it knows no versions."""
    url = environ.get("VENDORS_URL")
    if not url:
        raise BadInput("VENDORS_URL is not set; the mail gateway's ledger is part of the evidence")
    for entry in read_ledger(url, "mail"):
        yield Fact(entry["body"]["order_ref"], _number(entry["key"]), 0, entry["body"])


def mail_identity(body: Mapping[str, Json]) -> str:
    return f"{body['template']}:{body['subject_ref']}"


def _number(key: str) -> int:
    """The number at the end of `order:step:number`; 0 for a key of another shape."""
    number = key.rpartition(":")[2]
    return int(number) if number.isdecimal() and len(number) < 10 else 0
