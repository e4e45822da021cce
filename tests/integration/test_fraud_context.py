"""Fraud on real PostgreSQL against the real scorer: tiers, reviews, and one event per order."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from legacy_app.vendors.answers import LARGE_MINOR, risk
from outbox.consumer.handler import Disposition
from outbox.told import Told
from strangler import Mode
from strangler.modes.table import declare
from tests.integration.contexts import rows
from tests.integration.middle import FAST, handle, sending, told, until_ended
from tests.support.orders import of_order
from tests.support.services import vendors_at
from tests.support.vendors_server import Vendors
from tests.support.waiting import wait_until

DECISIONS = "SELECT order_ref, verdict, tier FROM fraud.decision ORDER BY 1"


def amount_of(low: int, high: int) -> int:
    """An amount that the scorer gives customer 17850 a score in low..high for."""
    return next(amount for amount in range(LARGE_MINOR, LARGE_MINOR + 1_000) if low <= risk("17850", amount) <= high)


def test_each_tier_has_its_decision_event_and_review(database: str, vendors: Vendors, a: str) -> None:
    b, c = f"{a}b", f"{a}c"
    amounts = {a: amount_of(0, 59), b: amount_of(60, 89), c: amount_of(90, 99)}
    events = [of_order("OrderReceived", ref, "fraud=new", total_minor=amount) for ref, amount in amounts.items()]
    assert handle(database, "fraud", *events) == [Disposition.APPLIED] * 3
    with sending(database, "fraud", vendors_at(vendors.url, "fraud")):
        until_ended(database, "fraud", 3)
    assert rows(database, DECISIONS) == [(a, "cleared", "low"), (b, "cleared", "medium"), (c, "refused", "high")]
    assert rows(database, "SELECT order_ref, resolved_at FROM fraud.review") == [(b, None)]
    types = {ref: (version, type_, outcome["tier"]) for ref, version, type_, outcome in told(database, "fraud")}
    assert types == {
        a: (1, "FraudCleared", "low"),
        b: (1, "FraudCleared", "medium"),
        c: (1, "FraudRefused", "high"),
    }
    assert all(vendors.asked("fraud", ref) == {f"{ref}:fraud:100": 1} for ref in amounts)
    scored = vendors_at(vendors.url, "fraud")["fraud"].look_up(f"{c}:fraud:100", "score")
    assert scored.detail["score"] >= 90


def test_at_a_peak_fewer_are_put_up_for_review_and_the_verdict_is_the_same(
    database: str, vendors: Vendors, a: str
) -> None:
    amounts = {a: amount_of(60, 74), f"{a}b": amount_of(75, 89)}
    with psycopg.connect(database) as connection:
        declare(connection, Mode("peak", longest_s=600), 600, Told("ann", "black friday"))
    events = [of_order("OrderReceived", ref, "fraud=new", total_minor=amount) for ref, amount in amounts.items()]
    handle(database, "fraud", *events)
    with sending(database, "fraud", vendors_at(vendors.url, "fraud")):
        until_ended(database, "fraud", 2)
    assert rows(database, DECISIONS) == [(a, "cleared", "low"), (f"{a}b", "cleared", "medium")]
    assert rows(database, "SELECT order_ref FROM fraud.review") == [(f"{a}b",)]


def test_a_customer_whose_turn_does_not_come_holds_up_nobody_else(database: str, vendors: Vendors, a: str) -> None:
    """As a hung call of legacy's does, which keeps its customer's turn: here for longer than anybody waits."""
    held = [of_order("OrderReceived", f"{a}{number}", "fraud=new", customer_id="17") for number in range(8)]
    other = f"{a}other"  # behind them all
    handle(database, "fraud", *held)
    handle(database, "fraud", of_order("OrderReceived", other, "fraud=new", customer_id="18"))
    with psycopg.connect(database) as legacy:
        legacy.execute("SELECT fraud.count_order('theirs', '17', 100)")
        scorer, leased = vendors_at(vendors.url, "fraud", timeout_s=1.0), replace(FAST, lease_margin_s=1.5)
        with sending(database, "fraud", scorer, leased):
            wait_until(lambda: [ref for ref, *_ in rows(database, DECISIONS)] == [other], within_s=20)
            legacy.commit()
            until_ended(database, "fraud", 9)
    assert len(rows(database, DECISIONS)) == 9


def test_an_order_that_the_scorer_refuses_to_score_is_not_cleared(database: str, vendors: Vendors, a: str) -> None:
    vendors.turn("fraud", decline_share=1.0)
    handle(database, "fraud", of_order("OrderReceived", a, "fraud=new"))
    with sending(database, "fraud", vendors_at(vendors.url, "fraud")):
        until_ended(database, "fraud", 1)
    assert rows(database, DECISIONS) == [(a, "refused", "high")]
    [(_, _, type_, outcome)] = told(database, "fraud")
    assert (type_, outcome["score"]) == ("FraudRefused", None)


def test_beside_legacy_the_outcome_is_recorded_and_the_order_itself_is_not(database: str) -> None:
    events = of_order("OrderReceived", "a", "fraud=shadow"), of_order("FraudCleared", "a", "fraud=shadow")
    assert handle(database, "fraud", *events) == [Disposition.NOT_OWNER, Disposition.RECORDED]
    recorded = rows(database, "SELECT version, intents -> 0 ->> 'target', intents -> 1 -> 'body' FROM fraud.intent")
    decided = {"order_ref": "a", "score": 12, "verdict": "cleared", "recent_orders": 2, "recent_minor": 900}
    assert recorded == [(1, "fraud.score", decided)]
    assert rows(database, "TABLE fraud.effect") == []


def test_its_own_outcome_says_nothing_to_an_owner(database: str) -> None:
    own = of_order("FraudCleared", "a", "fraud=new", by="new")
    assert handle(database, "fraud", own, of_order("FraudCleared", "b")) == [Disposition.NOT_OWNER] * 2
    assert rows(database, "TABLE fraud.claim") == []
