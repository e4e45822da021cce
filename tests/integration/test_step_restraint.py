"""A sender holds back: an outage costs few calls, patience that was asked for is given, the group's budget is kept."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from outbox.consumer import BreakerRule, BudgetRule, Observe, RetryBudget
from outbox.consumer.report import ignore
from strangler.step.effects import EffectSender, SenderSettings
from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind
from tests.integration.contexts import connect, rows
from tests.support.orders import placed, received
from tests.support.services import SERVICES
from tests.support.waiting import comes_true, wait_until

QUICK = BreakerRule(least=5, rest_s=0.1, rest_cap_s=0.2)
NEVER = BreakerRule(least=10_000, in_a_row=10_000)
DONE = "SELECT count(*) FROM notification.effect WHERE state = 'done'"


class MoodyVendor:
    """Answers as `answer` says; counts calls, and remembers when they came."""

    timeout_s, key_lifetime_s = 1.0, 3600.0

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[float] = []
        self._lock = threading.Lock()

    def send(self, _key: str, _operation: str, _body: Mapping[str, Json]) -> Answer:
        with self._lock:
            self.calls.append(time.monotonic())
        return self.answer

    def look_up(self, _key: str, _operation: str) -> Answer:
        raise AssertionError("its key lives for an hour")


# As a lock that is not granted, or a server that goes away between two statements.
TAKES_NOTHING = """
CREATE FUNCTION notification.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON notification.effect
FOR EACH ROW WHEN (new.vendor = 'post') EXECUTE FUNCTION notification.refuse()"""
AWAY = Answer(AnswerKind.UNKNOWN, {"status": 500})


@contextmanager
def sending(
    dsn: str,
    vendor: MoodyVendor,
    breaker: BreakerRule,
    budget: BudgetRule,
    *,
    observe: Observe = ignore,
    others: Mapping[str, MoodyVendor] = MappingProxyType({}),
) -> Iterator[None]:
    settings = SenderSettings(concurrency=4, poll_s=0.02, backoff_base_s=0.005, backoff_cap_s=0.02, breaker=breaker)
    sender = EffectSender(
        connect=lambda: connect(dsn, "notification"),
        step="notification",
        vendors={"mail": vendor, **others},
        budget=RetryBudget("notification", budget),
        settings=settings,
        rng=random.Random(5),
        observe=observe,
    )
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        yield
    finally:
        sender.stop()
        thread.join(30)
        assert not thread.is_alive()


def plan(dsn: str, count: int) -> None:
    with connect(dsn, "notification") as connection:
        events = received([placed(f"o{number}", "notification=new") for number in range(count)])
        SERVICES["notification"].handler()(connection, events)


def until_done(dsn: str, count: int) -> None:
    wait_until(lambda: rows(dsn, DONE) == [(count,)], lambda: rows(dsn, DONE))


def test_an_outage_is_probed_and_the_vendor_served_when_it_is_back(database: str) -> None:
    vendor = MoodyVendor(AWAY)
    plan(database, 60)
    with sending(database, vendor, QUICK, BudgetRule(floor_per_s=1000.0)):
        wait_until(lambda: len(vendor.calls) >= 12)
        calls = len(vendor.calls)
        wait_until(lambda: len(vendor.calls) >= calls + 4)
        took_s = vendor.calls[calls + 3] - vendor.calls[calls - 1]
        assert took_s > 4 * 0.05, "one probe for each rest, not four workers without end"
        tried = len(vendor.calls)
        vendor.answer = Answer(AnswerKind.DONE)
        until_done(database, 60)
    assert len(vendor.calls) - tried <= 60 + 4, "those under way together"


def test_a_vendor_that_asks_for_patience_is_not_called_before(database: str) -> None:
    vendor = MoodyVendor(Answer(AnswerKind.UNKNOWN, {"status": 429}, retry_after_s=0.6))
    plan(database, 10)
    with sending(database, vendor, NEVER, BudgetRule(floor_per_s=1000.0)):
        calls = vendor.calls  # all that are under way together hear the same
        wait_until(lambda: len(calls) > 0 and time.monotonic() - calls[0] > 0.3)
        vendor.answer = Answer(AnswerKind.DONE)
        until_done(database, 10)
    first = vendor.calls[0]
    assert sum(at - first < 0.6 for at in vendor.calls) <= 4, "those under way together"


def test_the_retries_of_a_sender_come_from_the_budget_of_its_group(database: str) -> None:
    vendor = MoodyVendor(AWAY)
    plan(database, 20)
    began = time.monotonic()
    with sending(database, vendor, NEVER, BudgetRule(floor_per_s=1.0)):
        wait_until(lambda: len(vendor.calls) >= 20)
        assert not comes_true(lambda: len(vendor.calls) > 20 + 5 + 2 + time.monotonic() - began, within_s=2.0)
        with connect(database, "notification") as connection:  # as the consumer's deliveries do
            other = RetryBudget("notification", BudgetRule(floor_per_s=1.0))
            other.delivered(10_000)
            other.deposit(connection)
        vendor.answer = Answer(AnswerKind.DONE)
        until_done(database, 20)


def test_what_waits_for_the_budget_is_counted_once(database: str) -> None:
    vendor, counts = MoodyVendor(AWAY), Counter[str]()
    plan(database, 4)

    def observe(name: str, value: int, **_: str) -> None:
        counts[name] += value

    with sending(database, vendor, NEVER, BudgetRule(floor_per_s=0.1), observe=observe):
        wait_until(lambda: counts["effect_put_off"] > 0)
        assert not comes_true(lambda: counts["effect_put_off"] > 4, within_s=1.0), "fifty looks, four effects"


def test_what_was_taken_before_an_error_is_sent(database: str) -> None:
    mail, post = MoodyVendor(Answer(AnswerKind.DONE)), MoodyVendor(AWAY)
    plan(database, 2)
    with connect(database, "notification") as connection:
        connection.execute("UPDATE effect SET vendor = 'post' WHERE subject_ref = 'o1'")
        connection.execute(TAKES_NOTHING)
    with sending(database, mail, NEVER, BudgetRule(floor_per_s=1000.0), others={"post": post}):
        wait_until(lambda: rows(database, DONE) == [(1,)], lambda: "before its lease ends", within_s=3)
    assert (len(mail.calls), post.calls) == (1, [])


def test_patience_without_end_is_a_day(database: str) -> None:
    vendor = MoodyVendor(Answer(AnswerKind.UNKNOWN, {"status": 503}, retry_after_s=float("inf")))
    plan(database, 1)
    due = "SELECT next_attempt_at > now() + interval '23 hours' FROM notification.effect WHERE state = 'unknown'"
    with sending(database, vendor, SenderSettings().breaker, BudgetRule(floor_per_s=1000.0)):
        wait_until(lambda: rows(database, due) == [(True,)], within_s=10)
    assert len(vendor.calls) == 1
