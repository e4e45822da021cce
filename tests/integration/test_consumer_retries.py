"""Retries in a runtime on real PostgreSQL: the permanent is parked alone, what passes waits, no storm builds up."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import BreakerRule, BudgetRule, Disposition, Metric, Overloaded, RetryBudget
from outbox.consumer.retry.rule import Clause
from outbox.event import ReceivedEvent
from tests.integration.consumer_rig import QUICK, RETRY, Rig, connect_to, write_effects
from tests.support.logs import lines_of
from tests.support.waiting import wait_until

NEVER = BreakerRule(least=10_000, in_a_row=10_000)


def test_a_permanent_error_parks_its_own_event_and_no_other(rig: Rig) -> None:
    """The handler writes its batch in one statement: the error does not say which row it was."""
    rig.sql("ALTER TABLE effects_seen ADD CHECK (key <> 'order-2' OR number <> 3)")
    rig.send_many(keys=5, each=5)
    running = rig.runtime()
    wait_until(rig.caught_up, rig.positions)
    assert [key for key, _ in rig.parked()] == ["order-2"] * 3
    assert sorted(set(rig.sent) - set(rig.effects())) == [("order-2", number) for number in (3, 4, 5)]
    assert rig.sql('SELECT reason FROM quarantine ORDER BY parked_at, "offset" LIMIT 1') == [
        ("permanent: CheckViolation (23514)",)
    ]
    assert running.count(Metric.RETRY) == 0


def test_one_failing_key_holds_its_lane_and_the_others_flow(rig: Rig) -> None:
    healed = threading.Event()

    def limping(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        if not healed.is_set() and any(event.event.aggregate_id == "order-1" for event in events):
            raise ConnectionError("its vendor does not answer")
        return write_effects(connection, events)

    rig.send_many(keys=12, each=4)
    running = rig.runtime(limping, settings=replace(QUICK, breaker=NEVER))
    wait_until(lambda: len({key for key, _ in rig.effects()}) > 6, rig.effects)
    wait_until(lambda: running.count(Metric.PUT_OFF, Clause.ATTEMPTS) > 0)
    assert ("order-1", 1) not in rig.effects()
    healed.set()
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()


def test_a_downstream_that_asks_for_patience_is_left_alone(rig: Rig) -> None:
    calls: list[int] = []

    def busy_at_first(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        calls.append(len(events))
        if len(calls) == 1:
            raise Overloaded("429", retry_after_s=0.5)
        return write_effects(connection, events)

    rig.send_many(keys=1, each=5)
    running = rig.runtime(busy_at_first)
    wait_until(rig.all_applied)
    assert (calls[:2], sum(calls[1:])) == ([5, 1], 5), (
        "a slow start: what failed is tried again one, two, four at a time"
    )
    assert all(more <= 2 * before for before, more in pairwise(calls[1:])), "or fewer, where the pace asks for it"
    assert running.count(Metric.RETRY, "Overloaded") == 1
    assert running.count(Metric.PUT_OFF) == 0


def test_without_credit_nothing_is_tried_again_and_the_clause_is_named(rig: Rig) -> None:
    attempts: list[int] = []

    def down(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        attempts.append(len(events))
        raise ConnectionError("down")

    settings = replace(QUICK, retry=replace(RETRY, budget_floor_per_s=1.0), breaker=NEVER)
    rig.send_many(keys=20, each=1)
    began = time.monotonic()
    running = rig.runtime(down, settings=settings)
    wait_until(lambda: running.count(Metric.PUT_OFF, Clause.BUDGET) > 20)
    running.stop()
    assert sum(attempts) <= 20 + 5 + 15 + (time.monotonic() - began) * settings.retry.budget_floor_per_s


def test_events_that_fail_once_cost_those_beside_them_nothing(rig: Rig) -> None:
    """One of twenty, in runs of many: a failure is charged once, and what stood before it is committed."""
    failed: set[tuple[str, int]] = set()
    handled: list[int] = []

    def fails_once(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        for count, one in enumerate(events, 1):
            name = (one.event.aggregate_id, one.event.aggregate_version)
            if int(name[0].removeprefix("order-")) % 20 == 7 and name not in failed:
                failed.add(name)
                handled.append(count)
                raise ConnectionError("its vendor closed the connection")
        handled.append(len(events))
        return write_effects(connection, events)

    rig.send_many(keys=100, each=10)
    retry = replace(RETRY, budget_ratio=0.1, budget_floor_per_s=0.1)
    running = rig.runtime(fails_once, settings=replace(QUICK, retry=retry, run_records=1_000))
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()
    assert len(failed) == running.count(Metric.RETRY) == 50
    assert running.count(Metric.PUT_OFF) == running.count(Metric.BREAKER) == 0
    assert sum(handled) < 1.8 * len(rig.sent)


def test_instances_share_one_account(rig: Rig) -> None:
    rule = BudgetRule(floor_per_s=0.001, lease=3)
    instances = [RetryBudget("search", rule) for _ in range(4)]
    instances[0].delivered(400)
    with connect_to(rig.dsn) as connection:
        instances[0].deposit(connection)

    def spend(budget: RetryBudget) -> int:
        with connect_to(rig.dsn) as own:
            return sum(budget.reserve(own, 1) for _ in range(30))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(spend, instances)) == 40


def test_a_retry_that_went_well_costs_nothing(rig: Rig) -> None:
    budget = RetryBudget("search", BudgetRule(floor_per_s=0.001, lease=1))
    budget.delivered(10)
    with connect_to(rig.dsn) as connection:
        for _ in range(50):
            assert budget.reserve(connection, 1)
            budget.refund(1)
        budget.failed(100)
        assert not all(budget.reserve(connection, 1) for _ in range(10))


def test_a_schema_without_the_table_budgets_alone_and_says_what_makes_it(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.sql("DROP TABLE retry_budget")
    budget = RetryBudget("search", BudgetRule(floor_per_s=0.001))
    budget.delivered(20)
    with connect_to(rig.dsn) as connection:
        assert [budget.reserve(connection, 1) for _ in range(3)] == [True, True, False]
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    said = [
        vars(record)["next_step"]
        for record in lines_of(caplog, "outbox.consumer")
        if record.message == "retry_budget_missing"
    ]
    assert said == ["run `outbox migrate --consumer SCHEMA`, or `strangler migrate` where there is a plan"]
