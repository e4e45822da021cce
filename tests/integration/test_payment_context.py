"""Payment on real PostgreSQL against the real provider: charged once, refunded once, whatever crashes or hangs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from outbox.consumer.handler import Disposition
from strangler.step.vendor import AnswerKind, Vendor
from tests.integration.contexts import connect, rows
from tests.integration.middle import handle, sending, told, until_ended
from tests.support.orders import cancelled, of_order
from tests.support.services import vendors_at
from tests.support.vendors_server import Vendors
from tests.support.waiting import wait_until

OWNED = "payment=new"
REVIEW = {"cancellation_ref": "fraud-review", "refund_minor": 1645}
PAYMENTS = "SELECT order_ref, charge_id, amount_minor, state FROM payment.payment ORDER BY 1"
STATES = "SELECT number, state FROM payment.effect ORDER BY 1"


def key_of(order_ref: str, number: int = 100) -> str:
    return f"{order_ref}:payment:{number}"


def client(vendors: Vendors, timeout_s: float = 20.0) -> dict[str, Vendor]:
    return vendors_at(vendors.url, "payment", timeout_s=timeout_s)


def reserved(dsn: str, *refs: str) -> None:
    events = [of_order("StockReserved", ref, OWNED, by="new") for ref in refs]
    assert handle(dsn, "payment", *events) == [Disposition.APPLIED] * len(refs)


def rejected(dsn: str, ref: str, by: str = "deadline") -> None:
    handle(dsn, "payment", of_order("OrderRejected", ref, OWNED, by=by))


def charged_by_a_sender_that_is_killed(dsn: str, vendors: Vendors, point: str) -> None:
    environ = {**os.environ, "STRANGLER_DSN": dsn, "VENDORS_URL": vendors.url, "OUTBOX_STOP_AT": point}
    argv = [sys.executable, "-m", "tests.integration.effect_process", "payment"]
    with subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"stopped_at {point}\n"
        process.kill()
    with connect(dsn, "payment") as connection:  # as if the dead sender's lease had run out
        connection.execute("UPDATE effect SET next_attempt_at = now() WHERE state = 'sent'")


def test_orders_are_charged_once_and_declined_ones_never(database: str, vendors: Vendors, a: str) -> None:
    b, c = f"{a}b", f"{a}c"
    reserved(database, a, b)
    with sending(database, "payment", client(vendors)):
        until_ended(database, "payment", 2)
        vendors.turn("payments", decline_share=1.0)
        reserved(database, c)
        until_ended(database, "payment", 3)
    found = {ref: (type_, outcome["reason"]) for ref, _, type_, outcome in told(database, "payment")}
    declined = ("PaymentRefused", "the card was declined")
    assert found == {a: ("PaymentTaken", None), b: ("PaymentTaken", None), c: declined}
    assert [vendors.asked("payments", ref) for ref in (a, b, c)] == [{key_of(a): 1}, {key_of(b): 1}, {}]
    taken = [(ref, amount, state) for ref, _, amount, state in rows(database, PAYMENTS)]
    assert taken == [(a, 1645, "taken"), (b, 1645, "taken")]
    states = dict(rows(database, "SELECT subject_ref, state FROM payment.effect"))
    assert states == {a: "done", b: "done", c: "refused"}


@pytest.mark.parametrize("point", ["effect.called", "effect.done"])
def test_a_sender_killed_at_a_named_point_leaves_one_charge_row_and_event(
    database: str, vendors: Vendors, a: str, point: str
) -> None:
    reserved(database, a)
    charged_by_a_sender_that_is_killed(database, vendors, point)
    assert vendors.asked("payments", a) == {key_of(a): 1}
    assert len(told(database, "payment")) == (1 if point == "effect.done" else 0)
    with sending(database, "payment", client(vendors)):
        until_ended(database, "payment", 1)
    assert [type_ for _, _, type_, _ in told(database, "payment")] == ["PaymentTaken"]
    assert len(rows(database, PAYMENTS)) == 1
    assert vendors.asked("payments", a) == {key_of(a): 2 if point == "effect.called" else 1}


def test_a_charge_that_times_out_is_asked_again_with_its_key_until_it_is_known(
    database: str, vendors: Vendors, a: str
) -> None:
    vendors.turn("payments", effect_then_timeout=1.0, hang_ms=600)
    reserved(database, a)
    with sending(database, "payment", client(vendors, timeout_s=0.2)):
        unknown = "SELECT count(*) FROM payment.effect WHERE state = 'unknown' OR attempts > 1"
        wait_until(lambda: rows(database, unknown) == [(1,)])
        assert told(database, "payment") == []
        vendors.turn("payments", effect_then_timeout=0.0)
        until_ended(database, "payment", 1)
    assert [type_ for _, _, type_, _ in told(database, "payment")] == ["PaymentTaken"]
    assert vendors.asked("payments", a)[key_of(a)] > 1


def test_a_taken_payment_of_a_rejected_order_is_refunded_once(database: str, vendors: Vendors, a: str) -> None:
    reserved(database, a)
    with sending(database, "payment", client(vendors)):
        until_ended(database, "payment", 1)
        for _ in range(2):
            rejected(database, a)
        until_ended(database, "payment", 2)
    assert [(version, type_) for _, version, type_, _ in told(database, "payment")] == [
        (1, "PaymentTaken"),
        (2, "PaymentRefunded"),
    ]
    assert rows(database, STATES) == [(100, "done"), (200, "done")]
    assert [state for _, _, _, state in rows(database, PAYMENTS)] == ["refunded"]
    assert vendors.asked("refunds", a) == {key_of(a): 1}


def test_a_rejection_that_comes_first_voids_the_charge(database: str, vendors: Vendors, a: str) -> None:
    with sending(database, "payment", client(vendors)):
        rejected(database, a)
        until_ended(database, "payment", 1)
        reserved(database, a)
        until_ended(database, "payment", 2)
    types = [(type_, outcome["reason"]) for _, _, type_, outcome in told(database, "payment")]
    assert types == [
        ("PaymentRefused", "the key was given back: it charges nobody any more"),
        ("PaymentRefunded", "voided"),
    ]
    assert vendors.asked("payments", a) == {}
    assert rows(database, PAYMENTS) == []


def test_a_refund_between_a_charge_and_its_answer_leaves_nothing_taken(database: str, vendors: Vendors, a: str) -> None:
    reserved(database, a)
    charged_by_a_sender_that_is_killed(database, vendors, "effect.called")
    with connect(database, "payment") as connection:
        connection.execute("UPDATE effect SET next_attempt_at = now() + '1 min'")
    with sending(database, "payment", client(vendors)):
        rejected(database, a)
        until_ended(database, "payment", 1)
        with connect(database, "payment") as connection:
            connection.execute("UPDATE effect SET next_attempt_at = now() WHERE state = 'sent'")
        until_ended(database, "payment", 2)
    assert [state for _, _, _, state in rows(database, PAYMENTS)] == ["refunded"]
    assert rows(database, STATES) == [(100, "refused"), (200, "done")]
    assert vendors.asked("payments", a) == vendors.asked("refunds", a) == {key_of(a): 1}


def test_past_the_keys_lifetime_charges_and_refunds_are_looked_up(vendors: Vendors, a: str) -> None:
    vendor = vendors_at(vendors.url, "payment")["payments"]
    body = {"order_ref": a, "client_ref": "c", "amount_minor": 5, "currency": "GBP"}
    assert (
        vendor.look_up(key_of(a), "charge").kind is vendor.look_up(key_of(a, 200), "refund").kind is AnswerKind.ABSENT
    )
    charged = vendor.send(key_of(a), "charge", body)
    assert vendor.look_up(key_of(a), "charge").detail["charge_id"] == charged.detail["charge_id"]
    refunded = vendor.send(key_of(a, 200), "refund", {"order_ref": a, "amount_minor": 5})
    assert (refunded.kind, refunded.detail["refund_status"]) == (AnswerKind.DONE, "refunded")
    assert vendor.look_up(key_of(a, 200), "refund").detail == refunded.detail
    assert vendor.look_up(key_of(a), "charge").kind is vendor.send(key_of(a), "charge", body).kind is AnswerKind.REFUSED
    assert vendor.send(key_of(a), "give away", body).kind is AnswerKind.REFUSED


def test_beside_legacy_the_charge_is_recorded_and_nobody_is_charged(database: str) -> None:
    events = of_order("PaymentTaken", "a", "payment=shadow"), of_order("OrderRejected", "a", "payment=shadow", by="x")
    assert handle(database, "payment", *events) == [Disposition.RECORDED, Disposition.NOT_OWNER]
    targets = rows(database, "SELECT intents -> 0 ->> 'target', intents -> 1 ->> 'target' FROM payment.intent")
    assert targets == [("payments.charge", "payment")]
    assert rows(database, "TABLE payment.effect") == []


def test_what_fraud_refuses_late_is_given_back_once_and_told(database: str, vendors: Vendors, a: str) -> None:
    reserved(database, a)
    with sending(database, "payment", client(vendors)):
        until_ended(database, "payment", 1)
        late = cancelled(a, OWNED, cancellation=REVIEW)
        assert handle(database, "payment", late, late) == [Disposition.APPLIED, Disposition.DUPLICATE]
        until_ended(database, "payment", 2)
    [(_, charge_id, amount, state)] = rows(database, PAYMENTS)
    assert (amount, state) == (1645, "refunded")
    assert told(database, "payment")[-1] == (
        a,
        2,
        "PaymentRefunded",
        {"charge_id": charge_id, "amount_minor": 1645, "reason": "refunded"},
    )
    assert vendors.asked("refunds", a) == {key_of(a): 1}


def test_what_a_customer_cancels_is_not_refunded_here_nor_what_legacy_charged(
    database: str, vendors: Vendors, a: str
) -> None:
    assert handle(database, "payment", cancelled(a, OWNED)) == [Disposition.APPLIED]
    assert handle(database, "payment", cancelled(f"{a}l", cancellation=REVIEW)) == [Disposition.NOT_OWNER]
    assert handle(database, "payment", cancelled(f"{a}s", "payment=shadow", cancellation=REVIEW)) == [
        Disposition.NOT_OWNER
    ]
    assert rows(database, "TABLE payment.effect") == []
