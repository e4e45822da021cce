"""What the tail's new side has really done: its rows, its planned effects, the mail gateway's ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from legacy_app.vendor_ledger import read_ledger
from outbox.connection import PsycopgConnection
from strangler.errors import BadInput
from strangler.facts import Fact
from strangler.step.intents import Json

# Unqualified: the judge's connection looks into the context's own schema.
EFFECTS = "SELECT subject_ref, number, body, state FROM effect WHERE step = 'notification' ORDER BY subject_ref, number"
BASKETS = "SELECT order_ref, version, customer_id, skus FROM basket ORDER BY order_ref"
UNDER_WAY = frozenset({"planned", "sent", "unknown"})


def planned_mails(connection: PsycopgConnection) -> Iterator[Fact]:
    """One for each effect row; pending until the gateway has answered."""
    for order_ref, number, body, state in connection.execute(EFFECTS):
        pending, refused = state in UNDER_WAY, state == "refused"
        yield Fact(order_ref, number, number // 100, body, pending=pending, refused=refused)


def baskets(connection: PsycopgConnection) -> Iterator[Fact]:
    for order_ref, version, customer_id, skus in connection.execute(BASKETS):
        fields = {"order_ref": order_ref, "version": version, "customer_id": customer_id, "skus": skus}
        yield Fact(order_ref, version * 100, version, fields)


def sent_mails(environ: Mapping[str, str]) -> Iterator[Fact]:
    """What the gateway was really asked to send, by whomever; it knows no versions."""
    for entry in ledger_entries(environ, "mail"):
        yield Fact(entry["body"]["order_ref"], number_in(entry["key"]), 0, entry["body"])


def mail_identity(body: Mapping[str, Json]) -> str:
    return f"{body['template']}:{body['subject_ref']}"


def ledger_entries(environ: Mapping[str, str], book: str) -> Iterator[dict[str, Any]]:
    """A vendor's own account; `BadInput` without its address."""
    url = environ.get("VENDORS_URL")
    if not url:
        raise BadInput(f"VENDORS_URL is not set; the vendor's ledger of {book} is part of the evidence")
    yield from read_ledger(url, book)


def number_in(key: str) -> int:
    """The number at the end of `order:step:number`; 0 for a key of another shape."""
    number = key.rpartition(":")[2]
    return int(number) if number.isdecimal() and len(number) < 10 else 0
