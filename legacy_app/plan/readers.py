"""What the new side keeps that its services write by code of their own: only this shop knows these tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from outbox import PsycopgConnection
from strangler.facts import KIND, TARGET, Fact
from strangler.service import Json

# Unqualified: the judge's connection looks into the context's own schema.
BASKETS = "SELECT order_ref, version, customer_id, skus FROM basket ORDER BY order_ref"
DECISIONS = "SELECT order_ref, score, verdict, recent_orders, recent_minor FROM decision ORDER BY order_ref"
PAYMENTS = "SELECT order_ref, charge_id, amount_minor, state FROM payment ORDER BY order_ref"
RESERVATIONS = "SELECT order_ref, version, pieces FROM reservation ORDER BY order_ref"


def baskets(connection: PsycopgConnection) -> Iterator[Fact]:
    for order_ref, version, customer_id, skus in connection.execute(BASKETS):
        fields = {"order_ref": order_ref, "version": version, "customer_id": customer_id, "skus": skus}
        yield _row("basket", fields, version, 100 * version)


def decisions(connection: PsycopgConnection) -> Iterator[Fact]:
    """What the scorer's answers became."""
    for order_ref, score, verdict, orders, minor in connection.execute(DECISIONS):
        decision = {"order_ref": order_ref, "score": score, "verdict": verdict}
        yield _row("decision", {**decision, "recent_orders": orders, "recent_minor": minor}, 1, 101)


def reservations(connection: PsycopgConnection) -> Iterator[Fact]:
    """What is held."""
    for order_ref, version, pieces in connection.execute(RESERVATIONS):
        held = {"order_ref": order_ref, "version": version, "pieces": pieces}
        yield _row("reservation", held, version, 100 * version)


def payments(connection: PsycopgConnection) -> Iterator[Fact]:
    """What the provider's answers became."""
    for order_ref, charge_id, amount_minor, state in connection.execute(PAYMENTS):
        paid = {"order_ref": order_ref, "charge_id": charge_id, "amount_minor": amount_minor, "state": state}
        yield _row("payment", paid, 1, 101)


def _row(table: str, fields: Mapping[str, Json], version: int, number: int) -> Fact:
    return Fact(fields["order_ref"], number, version, {**fields, KIND: "write", TARGET: table})
