"""The oracle of the middle: scores and decisions, reservations, charges and refunds, from the monolith's orders alone.

An accepted order has been through all steps. A pending one may have been: what is there is compared, nothing is due.
A rejected one has been through the steps before the one that rejected it, and what they did has been undone. Where
legacy ran a step, what it did of a rejected order may have been rolled back with it: only its own record says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any

from legacy_app.plan.oracle import rows_of
from legacy_app.plan.oracle_velocity import RECENT, Velocities
from legacy_app.vendors.answers import risk
from outbox import PsycopgConnection
from strangler import Owner, Ownership
from strangler.facts import KIND, TARGET, Fact

CHAIN = ("fraud", "inventory", "payment")
REFUSED_FROM = 90  # of the scorer's 100
SCORE, CHARGE, REFUND = "fraud.score", "payments.charge", "payments.refund"
RECEIVED, REJECTED = 1, 2  # versions of what is told of an order: the steps act on the first, its rejection is the next

# At the full price and before any cancellation, which is told as one more than the monolith counts.
PLACED = """
SELECT o.order_ref, o.client_ref, o.customer_id, o.status, o.rejected_by, o.ownership,
       sum(l.quantity * l.unit_price_minor)::bigint AS amount_minor,
       (SELECT c.version + 1 FROM legacy.cancellation c
        WHERE c.order_ref = o.order_ref AND c.cancellation_ref = 'fraud-review' AND o.status = 'cancelled') AS reviewed
FROM legacy.orders o JOIN legacy.order_line l USING (order_ref)
GROUP BY o.order_ref ORDER BY o.order_ref"""

# An order may have several lines of one SKU. Numbers stay whole in jsonb.
HELD = """
SELECT o.order_ref, o.status, o.rejected_by, o.ownership,
       CASE o.version WHEN 1 THEN 1 ELSE o.subject_version END AS version,  -- as received, until its first cancellation
       coalesce(jsonb_object_agg(held.sku, held.pieces) FILTER (WHERE held.pieces > 0), '{}') AS pieces
FROM legacy.orders o
JOIN (SELECT order_ref, sku, sum(quantity - cancelled)::bigint AS pieces
      FROM legacy.order_line GROUP BY order_ref, sku) AS held USING (order_ref)
GROUP BY o.order_ref ORDER BY o.order_ref"""


class Part(Enum):
    """What a step has to do with an order."""

    DONE = auto()
    MAYBE = auto()  # the order is pending
    REFUSED = auto()  # it rejected the order
    UNDONE = auto()  # a later step rejected it
    UNTOUCHED = auto()  # an earlier one did


def part_of(step: str, status: str, rejected_by: str | None) -> Part:
    """A step that is not of the middle comes after it."""
    if status == "pending":
        return Part.MAYBE
    if status != "rejected":
        return Part.DONE
    if rejected_by == step:
        return Part.REFUSED
    earlier = rejected_by in CHAIN and CHAIN.index(rejected_by) < CHAIN.index(step)
    return Part.UNTOUCHED if earlier else Part.UNDONE


def expected_scores(connection: PsycopgConnection) -> Iterator[Fact]:
    """A question to the scorer and a decision for each order. The scorer's published rule gives the score."""
    velocities = Velocities(connection)
    for row in rows_of(connection, PLACED):
        score = risk(row["customer_id"], row["amount_minor"])
        part, owner = _part(row, "fraud"), _owner(row, "fraud")
        if part is Part.REFUSED and owner is not Owner.NEW:
            continue  # legacy's refusal is never stored
        too_much = part is Part.REFUSED and velocities.can_be_too_much(row["customer_id"], row["amount_minor"])
        refused = score >= REFUSED_FROM or too_much
        asked = {field: row[field] for field in ("order_ref", "customer_id", "amount_minor")}
        decided = {"order_ref": row["order_ref"], "score": score, "verdict": "refused" if refused else "cleared"}
        # Who ended the order from outside the middle may have come before the scorer's answer.
        ended = part is Part.UNDONE and row["rejected_by"] not in CHAIN
        how: dict[str, Any] = {"pending": part is Part.MAYBE, "if_there": SCORE if ended else ""}
        yield Fact(row["order_ref"], 100, 1, {**asked, KIND: "call", TARGET: SCORE}, **how)
        if too_much:  # of when it was not counted nobody knows
            how["open_fields"] = RECENT
        else:
            decided |= dict.fromkeys(RECENT) if refused else velocities.before(row["order_ref"], row["customer_id"])
        yield Fact(row["order_ref"], 101, 1, {**decided, KIND: "write", TARGET: "decision"}, **how)


def expected_reservations(connection: PsycopgConnection) -> Iterator[Fact]:
    """What each order holds by SKU: all of it, less what was cancelled; nothing once a later step has rejected it."""
    for row in rows_of(connection, HELD):
        part = _part(row, "inventory")
        if part in (Part.DONE, Part.MAYBE):
            yield _reservation(row, row["version"], row["pieces"], pending=part is Part.MAYBE)
        elif part is Part.UNDONE and _owner(row, "inventory") is Owner.NEW:
            yield _reservation(row, REJECTED, {})


def expected_charges(connection: PsycopgConnection) -> Iterator[Fact]:
    """A charge and a payment for each order that went so far. A charge of a rejected order must be refunded, and one of
    an order that fraud's late review has cancelled.
    """
    for row in rows_of(connection, PLACED):
        match _part(row, "payment"):
            case Part.DONE if row["reviewed"] is not None and _owner(row, "payment") is Owner.NEW:
                yield from _given_back(row)
            case Part.DONE:
                yield from _paid(row)
            case Part.MAYBE:
                yield from _paid(row, pending=True)
            case Part.REFUSED if _owner(row, "payment") is Owner.NEW:
                yield from _refunded(row, refused=True)
            case Part.UNDONE if _owner(row, "payment") is Owner.NEW:
                yield from _refunded(row)
            case _:
                pass


def identity(fields: Mapping[str, Any]) -> str:
    """Each of the middle's effects happens at most once to an order."""
    return str(fields[TARGET])


def _paid(row: Mapping[str, Any], **how: Any) -> Iterator[Fact]:
    """The provider alone knows its charge's name."""
    yield Fact(row["order_ref"], 100, 1, _charge(row), **how)
    yield _payment(row, {"state": "taken"}, open_fields=("charge_id",), **how)


def _refunded(row: Mapping[str, Any], *, refused: bool = False) -> Iterator[Fact]:
    """Between the refund and its answer the payment still says taken. After a refusal a refund is due only where there
    is a charge all the same; else always: it also forbids a charge that is still on its way.
    """
    yield Fact(row["order_ref"], 100, 1, _charge(row), refused=refused, if_there=CHARGE)
    yield _payment(row, {}, open_fields=("charge_id", "state"), if_there=CHARGE)
    refund = {"order_ref": row["order_ref"], "amount_minor": row["amount_minor"]}
    marks = {KIND: "call", TARGET: REFUND}
    yield Fact(row["order_ref"], 100 * REJECTED, REJECTED, {**refund, **marks}, if_there=CHARGE if refused else "")


def _given_back(row: Mapping[str, Any]) -> Iterator[Fact]:
    """Fraud's late review has cancelled the order: charged it was, and all of it is due back."""
    yield Fact(row["order_ref"], 100, 1, _charge(row))
    yield _payment(row, {}, open_fields=("charge_id", "state"))
    refund = {"order_ref": row["order_ref"], "amount_minor": row["amount_minor"], KIND: "call", TARGET: REFUND}
    yield Fact(row["order_ref"], 100 * row["reviewed"], row["reviewed"], refund)


def _charge(row: Mapping[str, Any]) -> dict[str, Any]:
    asked = {field: row[field] for field in ("order_ref", "client_ref", "amount_minor")}
    return {**asked, "currency": "GBP", KIND: "call", TARGET: CHARGE}


def _payment(row: Mapping[str, Any], state: Mapping[str, str], **how: Any) -> Fact:
    fields = {"order_ref": row["order_ref"], "amount_minor": row["amount_minor"], **state}
    return Fact(row["order_ref"], 101, 1, {**fields, KIND: "write", TARGET: "payment"}, **how)


def _reservation(row: Mapping[str, Any], version: int, pieces: Mapping[str, int], *, pending: bool = False) -> Fact:
    fields = {"order_ref": row["order_ref"], "version": version, "pieces": pieces}
    marks = {KIND: "write", TARGET: "reservation"}
    return Fact(row["order_ref"], 100 * version, version, {**fields, **marks}, pending=pending)


def _part(row: Mapping[str, Any], step: str) -> Part:
    return part_of(step, row["status"], row["rejected_by"])


def _owner(row: Mapping[str, Any], step: str) -> Owner:
    return Ownership.from_header(row["ownership"]).of(step)
