"""What fraud, inventory and payment decide, and what follows from a vendor's answer; expectations written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from new_services.fraud import decide as fraud
from new_services.fraud.tiers import Velocity
from new_services.inventory import decide as inventory
from new_services.order_event import parse
from new_services.payment import decide as payment
from outbox.event import Event
from strangler.step.effect_table import Effect, Ending
from strangler.step.intents import Json, Outcome, to_json
from tests.support.orders import cancelled, of_order, payload, placed

REF = "o1"
ALL = {"A1": 10, "B2": 2, "C3": 1}


def call(target: str, **body: Json) -> dict[str, Json]:
    return {"kind": "call", "target": target, "body": body}


def write(target: str, **body: Json) -> dict[str, Json]:
    return {"kind": "write", "target": target, "body": body}


SCORE = call("fraud.score", order_ref=REF, customer_id="17850", amount_minor=1645)


def decision(score: int, verdict: str, orders: int | None, minor: int | None) -> dict[str, Json]:
    values = {"order_ref": REF, "score": score, "verdict": verdict}
    return write("decision", **values, recent_orders=orders, recent_minor=minor)


GUESTS = decision(12, "cleared", None, None)
CHARGE = call("payments.charge", order_ref=REF, client_ref=f"client-{REF}", amount_minor=1645, currency="GBP")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (of_order("OrderReceived", REF), [SCORE]),
        (of_order("FraudCleared", REF), [SCORE, decision(12, "cleared", 2, 900)]),
        (of_order("FraudCleared", REF, outcome={"recent_orders": None, "recent_minor": None}), [SCORE, GUESTS]),
        (of_order("FraudRefused", REF), [SCORE, decision(95, "refused", None, None)]),
        (of_order("FraudCleared", REF, outcome={"recent_orders": 100}), [SCORE, decision(12, "refused", 100, 900)]),
        (
            of_order("FraudCleared", REF, outcome={"recent_minor": 50_000_000 - 1644}),
            [SCORE, decision(12, "refused", 2, 49_998_356)],
        ),
        (placed(REF), []),
    ],
)
def test_fraud_scores_a_received_order_and_judges_legacys_score_again(event: Event, expected: Json) -> None:
    assert to_json(fraud.decide(parse(event))) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (of_order("FraudCleared", REF), [write("reservation", order_ref=REF, version=1, pieces=ALL)]),
        (of_order("StockReserved", REF), [write("reservation", order_ref=REF, version=1, pieces=ALL)]),
        (
            cancelled(REF, whole=False),
            [write("reservation", order_ref=REF, version=3, pieces={"A1": 10, "C3": 1})],
        ),
        (cancelled(REF, version=4), [write("reservation", order_ref=REF, version=4, pieces={})]),
        (of_order("OrderRejected", REF, by="payment"), [write("release", order_ref=REF)]),
        (of_order("OrderRejected", REF, by="deadline"), [write("release", order_ref=REF)]),
        (of_order("OrderRejected", REF, by="fraud"), []),
        (of_order("OrderRejected", REF, by="inventory"), []),
        (placed(REF), []),
    ],
)
def test_inventory_says_what_the_order_holds_after_the_event(event: Event, expected: Json) -> None:
    assert to_json(inventory.decide(parse(event))) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (of_order("StockReserved", REF), [CHARGE]),
        (
            of_order("PaymentTaken", REF),
            [CHARGE, write("payment", order_ref=REF, charge_id="ch_1", amount_minor=1645)],
        ),
        (
            of_order("OrderRejected", REF, by="deadline"),
            [call("payments.refund", order_ref=REF, amount_minor=1645)],
        ),
        (of_order("OrderRejected", REF, by="fraud"), []),
        (of_order("OrderRejected", REF, by="payment"), []),
        (cancelled(REF), []),
        (
            cancelled(REF, cancellation={"cancellation_ref": "fraud-review", "refund_minor": 1645}),
            [call("payments.refund", order_ref=REF, amount_minor=1645)],
        ),
        (cancelled(REF, whole=False, cancellation={"cancellation_ref": "fraud-review", "refund_minor": 600}), []),
    ],
)
def test_payment_charges_once_and_gives_back_what_may_have_been_charged(event: Event, expected: Json) -> None:
    assert to_json(payment.decide(parse(event))) == expected


def effect(step: str, operation: str, number: int = 100) -> Effect:
    key = f"{REF}:{step}:{number}"
    carry = {"order": {**payload(REF), "status": "pending"}, "context": {}}
    return Effect(REF, step, number, key, step, operation, {}, carry, 1, 0.0)


def test_an_answered_score_is_to_be_counted_and_an_order_without_one_is_settled_without() -> None:
    for ending, score in ((Ending.DONE, 42), (Ending.REFUSED, None)):
        [row] = fraud.conclude(effect("fraud", "score"), ending, {"status": 200, "score": 42})
        assert to_json([row]) == [write("score", order_ref=REF, score=score)]


@pytest.mark.parametrize(
    ("score", "velocity", "tier"),
    [
        (0, Velocity(), "low"),
        (59, Velocity(99, 0), "low"),
        (60, Velocity(), "medium"),
        (89, Velocity(99, 50_000_000 - 1645), "medium"),
        (90, Velocity(), "high"),
        (None, Velocity(), "high"),
        (0, Velocity(100, 0), "high"),
        (0, Velocity(0, 50_000_000 - 1644), "high"),
        (0, Velocity(3, 5, counted=False), "high"),
    ],
)
def test_the_risky_and_who_orders_too_much_are_refused_at_once(
    score: int | None, velocity: Velocity, tier: str
) -> None:
    told = fraud.settle({**payload(REF), "status": "pending"}, score, velocity, 60)
    assert (told.type, told.version) == ("FraudRefused" if tier == "high" else "FraudCleared", 1)
    outcome = told.emit().body["outcome"]
    assert (outcome["by"], outcome["score"], outcome["tier"]) == ("new", score, tier)
    assert (outcome["recent_orders"], outcome["recent_minor"]) == (velocity.orders, velocity.minor)
    assert (outcome["reason"] is None) == (tier != "high")


TAKEN, VOIDED = (
    {"charge_id": "ch_7", "amount_minor": 1645, "refund_status": "refunded"},
    {"charge_id": "", "amount_minor": 0, "refund_status": "voided"},
)


@pytest.mark.parametrize(
    ("operation", "ending", "answer", "rows", "type_", "version", "outcome"),
    [
        (
            "charge",
            Ending.DONE,
            {"charge_id": "ch_7"},
            [write("payment", order_ref=REF, charge_id="ch_7", amount_minor=1645)],
            "PaymentTaken",
            1,
            {"charge_id": "ch_7", "amount_minor": 1645, "reason": None},
        ),
        (
            "charge",
            Ending.REFUSED,
            {"status": 402, "reason": "declined"},
            [],
            "PaymentRefused",
            1,
            {"charge_id": None, "amount_minor": 1645, "reason": "declined"},
        ),
        (
            "refund",
            Ending.DONE,
            TAKEN,
            [write("refund", order_ref=REF, charge_id="ch_7", amount_minor=1645)],
            "PaymentRefunded",
            2,
            {"charge_id": "ch_7", "amount_minor": 1645, "reason": "refunded"},
        ),
        (
            "refund",
            Ending.DONE,
            VOIDED,
            [],
            "PaymentRefunded",
            2,
            {"charge_id": None, "amount_minor": 0, "reason": "voided"},
        ),
    ],
)
def test_a_payments_row_and_event_follow_the_vendors_answer(
    *,
    operation: str,
    ending: Ending,
    answer: Mapping[str, Json],
    rows: list[Json],
    type_: str,
    version: int,
    outcome: Mapping[str, Json],
) -> None:
    *written, told = payment.conclude(effect("payment", operation), ending, answer)
    assert to_json(written) == rows
    assert isinstance(told, Outcome)
    assert (told.type, told.version, told.detail) == (type_, version, outcome)


def test_a_refund_that_is_refused_tells_nobody_that_it_was_made() -> None:
    assert payment.conclude(effect("payment", "refund", 150), Ending.REFUSED, {"status": 403}) == []


def test_an_outcome_of_the_new_side_reads_as_one_of_legacy() -> None:
    """What the next step decides does not depend on who did the last."""
    told = fraud.settle(effect("fraud", "score").carry["order"], 12, Velocity(2, 900), 60)
    legacys = of_order("FraudCleared", REF)
    assert parse(replace(legacys, payload=json.dumps(told.emit().body).encode())) == parse(legacys)
    assert told.emit().body["lines"] == payload(REF)["lines"]
