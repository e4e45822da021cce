"""What the new side has really done of the middle: its rows and planned effects, and the two vendors' ledgers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from legacy_app.readers import UNDER_WAY, ledger_entries, number_in
from outbox.connection import PsycopgConnection
from strangler.facts import KIND, TARGET, Fact

# Unqualified: the judge's connection looks into the context's own schema.
EFFECTS = """
SELECT subject_ref, number, vendor || '.' || operation, body, state FROM effect
WHERE step = %(step)s ORDER BY subject_ref, number"""
DECISIONS = "SELECT order_ref, score, verdict, recent_orders, recent_minor FROM decision ORDER BY order_ref"
PAYMENTS = "SELECT order_ref, charge_id, amount_minor, state FROM payment ORDER BY order_ref"
RESERVATIONS = "SELECT order_ref, version, pieces FROM reservation ORDER BY order_ref"


def scores(connection: PsycopgConnection) -> Iterator[Fact]:
    """The questions to the scorer, and the decisions that its answers became."""
    yield from _effects(connection, "fraud")
    for order_ref, score, verdict, orders, minor in connection.execute(DECISIONS):
        decision = {"order_ref": order_ref, "score": score, "verdict": verdict}
        decision |= {"recent_orders": orders, "recent_minor": minor}
        yield Fact(order_ref, 101, 1, {**decision, KIND: "write", TARGET: "decision"})


def reservations(connection: PsycopgConnection) -> Iterator[Fact]:
    """What is held. A first version without pieces has been released: the order was rejected, its next change."""
    for order_ref, stored, pieces in connection.execute(RESERVATIONS):
        version = 2 if stored == 1 and not pieces else stored
        held = {"order_ref": order_ref, "version": version, "pieces": pieces}
        yield Fact(order_ref, 100 * version, version, {**held, KIND: "write", TARGET: "reservation"})


def charges(connection: PsycopgConnection) -> Iterator[Fact]:
    """The provider's work as planned, and the payments that its answers became."""
    yield from _effects(connection, "payment")
    for order_ref, charge_id, amount_minor, state in connection.execute(PAYMENTS):
        paid = {"order_ref": order_ref, "charge_id": charge_id, "amount_minor": amount_minor, "state": state}
        yield Fact(order_ref, 101, 1, {**paid, KIND: "write", TARGET: "payment"})


def scorer_ledger(environ: Mapping[str, str]) -> Iterator[Fact]:
    for entry in ledger_entries(environ, "fraud"):
        yield _asked(entry, "fraud.score")


def provider_ledger(environ: Mapping[str, str]) -> Iterator[Fact]:
    """Charges and refunds. A charge is named after its place in the ledger."""
    for entry in ledger_entries(environ, "payments"):
        yield _asked(entry, "payments.charge", {"charge_id": f"ch_{entry['seq']}"})
    for entry in ledger_entries(environ, "refunds"):  # by the charge's key; a refund's number is the rejection's
        refund = {**entry["body"], KIND: "call", TARGET: "payments.refund"}
        yield Fact(entry["body"]["order_ref"], 150, 0, refund)


def _effects(connection: PsycopgConnection, step: str) -> Iterator[Fact]:
    for order_ref, number, target, body, state in connection.execute(EFFECTS, {"step": step}):
        fields = {**body, KIND: "call", TARGET: target}
        pending, refused = state in UNDER_WAY, state == "refused"
        yield Fact(order_ref, number, number // 100, fields, pending=pending, refused=refused)


def _asked(entry: Mapping[str, Any], target: str, answer: Mapping[str, Any] | None = None) -> Fact:
    body = {**entry["body"], KIND: "call", TARGET: target}
    return Fact(entry["body"]["order_ref"], number_in(entry["key"]), 0, body, answer=answer or {})
