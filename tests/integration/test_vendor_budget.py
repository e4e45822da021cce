"""Legacy's and the new side's calls to one vendor come from one budget: together they stay at what is declared."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from outbox.consumer import RetryBudget
from outbox.event import uuid7
from strangler import Call
from strangler.step.effects import EffectSender, SenderSettings
from strangler.step.handler import StepHandler
from strangler.step.vendor import Answer, AnswerKind
from strangler.step.vendor_budget import VendorBudget
from tests.integration.contexts import connect, rows
from tests.integration.test_step_restraint import NEVER, MoodyVendor, plan, until_done
from tests.support.orders import placed, received
from tests.support.services import SERVICES
from tests.support.waiting import comes_true, wait_until

LIMIT = 20.0
BURST_S = 2.0  # that the account may hold, as its docstring promises


@contextmanager
def sender(dsn: str, vendor: MoodyVendor, calls: VendorBudget, seed: int = 5) -> Iterator[None]:
    sending = EffectSender(
        connect=lambda: connect(dsn, "notification"),
        step="notification",
        vendors={"mail": vendor},
        budget=RetryBudget("notification"),
        calls=calls,
        settings=SenderSettings(concurrency=4, poll_s=0.02, breaker=NEVER),
        rng=random.Random(seed),
    )
    thread = threading.Thread(target=sending.run)
    thread.start()
    try:
        yield
    finally:
        sending.stop()
        thread.join(30)
        assert not thread.is_alive()


def most_in(calls: list[float], window_s: float) -> int:
    """The most calls of any window of that length."""
    return max(sum(at <= other < at + window_s for other in calls) for at in calls)


def test_two_instances_call_a_vendor_together_no_more_often_than_it_takes(database: str) -> None:
    vendor = MoodyVendor(Answer(AnswerKind.DONE))
    plan(database, 120)
    with (
        sender(database, vendor, VendorBudget({"mail": LIMIT})),
        sender(database, vendor, VendorBudget({"mail": LIMIT}), 6),
    ):
        until_done(database, 120)
    assert len(vendor.calls) == 120
    for window_s in (0.5, 1.0, 2.0):
        assert most_in(vendor.calls, window_s) <= LIMIT * (window_s + BURST_S)


def test_what_legacy_calls_is_taken_from_the_calls_of_the_new_side(database: str) -> None:
    """Legacy takes all for a while: the new side makes none. Then it makes them."""
    vendor, calls = MoodyVendor(Answer(AnswerKind.DONE)), VendorBudget({"mail": LIMIT})
    plan(database, 30)
    busy = threading.Event()

    def legacy() -> None:
        mail = [Call("mail", "send", {})]
        while not busy.wait(0.05):
            calls.made_by_legacy((one.event, mail) for one in received([placed("o1", "notification=shadow")] * 20))

    thread = threading.Thread(target=legacy)
    thread.start()
    try:
        with sender(database, vendor, calls):
            wait_until(lambda: debt(database) < -LIMIT)
            made = len(vendor.calls)
            assert made < 30
            assert not comes_true(lambda: len(vendor.calls) > made, within_s=1.0)
            busy.set()
            until_done(database, 30)
    finally:
        busy.set()
        thread.join(30)


def debt(dsn: str) -> float:
    found = rows(dsn, "SELECT fresh + stale FROM notification.retry_budget WHERE name = 'calls:mail'")
    return float(found[0][0]) if found else 0.0


def test_while_a_mode_holds_a_vendor_gets_what_that_leaves_and_all_again_after_it(database: str) -> None:
    held = ["peak"]
    calls = VendorBudget({}, in_modes={"peak": {"mail": 1.0}}, mode=lambda: held[0])
    with connect(database, "notification") as connection:
        assert 1 <= calls.granted(connection, "mail", 50) <= 4, "a memory holds four calls, at one a second"
        assert calls.granted(connection, "mail", 50) == 0
        assert calls.calls_per_s == {"mail": 1.0}
        held[0] = ""
        assert calls.granted(connection, "mail", 50) == 50
    assert calls.calls_per_s == {}


def test_a_mode_and_the_usual_limit_hold_both(database: str) -> None:
    calls = VendorBudget({"mail": 4.0}, in_modes={"peak": {"mail": 100.0}}, mode=lambda: "peak")
    with connect(database, "notification") as connection:
        assert 1 <= calls.granted(connection, "mail", 50) <= 4.0 * BURST_S, "what the usual account holds"
        assert calls.granted(connection, "mail", 1) == 0
        calls.unused("mail", 1)
        assert calls.granted(connection, "mail", 2) == 1


def test_a_vendor_that_takes_a_call_in_two_seconds_gets_it(database: str) -> None:
    vendor = MoodyVendor(Answer(AnswerKind.DONE))
    plan(database, 4)
    with sender(database, vendor, VendorBudget({"mail": 0.5})):
        until_done(database, 4)
    assert vendor.calls[3] - vendor.calls[0] > 0.5, "two at once, the others in their time"


def told_of(database: str, ownership: str, *, times: int = 1, old: bool = False) -> int:
    """Calls that are counted as legacy's for an event of such an owner."""
    service, calls = SERVICES["notification"], VendorBudget({})
    handler = service.step(legacy_acts=calls.made_by_legacy)
    assert isinstance(handler, StepHandler)
    event = placed("o1", ownership)
    if old:
        event = type(event)(
            event.aggregate_type,
            event.aggregate_id,
            event.aggregate_version,
            event.type,
            event.payload,
            context=event.context,
            id=uuid7(round((time.time() - 60) * 1000)),
        )
    with connect(database, "notification") as connection:
        for _ in range(times):
            handler(connection, received([event]))
    return calls.heard("mail")


@pytest.mark.parametrize(
    ("ownership", "counted"), [("notification=legacy", 1), ("notification=shadow", 1), ("notification=new", 0)]
)
def test_a_call_is_legacys_where_legacy_acts(database: str, ownership: str, counted: int) -> None:
    assert told_of(database, ownership) == counted


def test_what_a_shadow_recorded_before_is_no_new_call(database: str) -> None:
    assert told_of(database, "notification=shadow", times=3) == 1


def test_a_consumer_that_catches_up_takes_nothing_from_the_calls_of_now(database: str) -> None:
    assert told_of(database, "notification=shadow", old=True) == 0
