"""A payment provider that hangs, charges and then times out, or limits: one charge an order, and each has its name."""

from __future__ import annotations

import random
from typing import Any

import pytest

from new_services.payment.decide import conclude
from new_services.payment.effects import apply_writes
from outbox.consumer import BudgetRule, RetryBudget
from outbox.metrics import Counters
from strangler.step.effects import EffectSender
from tests.integration.contexts import connect, rows
from tests.integration.middle import FAST
from tests.support.orders import of_order, received
from tests.support.running import in_thread
from tests.support.services import SERVICES, vendors_at
from tests.support.vendors_server import Vendors
from tests.support.waiting import wait_until

ORDERS = 8
CALM = {"hang_share": 0.0, "effect_then_timeout": 0.0, "rate_limit_per_s": 0.0, "error_share": 0.0}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"hang_share": 1.0, "hang_ms": 600}, "ReadTimeout"),
        ({"effect_then_timeout": 1.0, "hang_ms": 600}, "ReadTimeout"),
        ({"rate_limit_per_s": 1.0}, "429"),
        ({"error_share": 1.0}, "503"),
    ],
    ids=["hang", "charged, then timed out", "rate limit", "error"],
)
def test_whatever_the_provider_does_each_order_is_charged_once(
    database: str, vendors: Vendors, topic_prefix: str, fault: dict[str, Any], said: str
) -> None:
    refs = [f"{topic_prefix}{number}" for number in range(ORDERS)]
    with connect(database, "payment") as connection:
        events = [of_order("StockReserved", ref, "payment=new", by="new") for ref in refs]
        SERVICES["payment"].handler()(connection, received(events))
    vendors.turn("payments", **fault)
    counters = Counters({"context": "payment"})
    sender = EffectSender(
        connect=lambda: connect(database, "payment"),
        step="payment",
        vendors=vendors_at(vendors.url, "payment", timeout_s=0.2),
        conclude=conclude,
        apply_writes=apply_writes,
        budget=RetryBudget("payment", BudgetRule(floor_per_s=1000.0)),
        settings=FAST,
        rng=random.Random(5),
        observe=counters,
    )
    named = f'effect_answered_total{{context="payment",vendor="payments",answer="unknown",said="{said}"}}'
    with in_thread(sender.run, sender.stop):
        wait_until(lambda: named in counters.page(), counters.page)
        vendors.turn("payments", **CALM)
        done = "SELECT count(*) FROM payment.effect WHERE state = 'done'"
        wait_until(lambda: rows(database, done) == [(ORDERS,)], counters.page)
    assert [list(vendors.asked("payments", ref)) for ref in refs] == [[f"{ref}:payment:100"] for ref in refs]
    assert rows(database, "SELECT count(*) FROM payment.payment WHERE state = 'taken'") == [(ORDERS,)]
