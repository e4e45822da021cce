"""What a runtime gives up: a sample's rest under pressure, and what failed once the retry budget is spent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import (
    BreakerRule,
    BudgetRule,
    ConsumerRuntime,
    Disposition,
    FloodRule,
    Handler,
    InParallel,
    Metric,
    RetryBudget,
    RuntimeSettings,
    Shedding,
)
from outbox.consumer.retry.rule import Clause
from outbox.errors import ConfigurationError
from outbox.event import ReceivedEvent
from outbox.policy import OverBudget, Sampling
from tests.integration.consumer_faults import rig_in_memory
from tests.integration.consumer_rig import QUICK, RETRY, Rig, connect_to, write_effects
from tests.support.kafka.memory import MemoryBroker
from tests.support.waiting import wait_until

CLAUSE = "policy:search.sampling.keep=0.5"
OVER_BUDGET = "policy:search.retry.over_budget"
SAMPLE = Sampling(keep=0.5, above_s=0.0)  # whatever has come through a topic is older
NEVER = BreakerRule(least=10_000, in_a_row=10_000)
GIVEN_UP = "CREATE TABLE given_up (key text NOT NULL, number bigint NOT NULL, clause text NOT NULL)"


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    with rig_in_memory(database, MemoryBroker()) as rig:
        rig.sql(GIVEN_UP)
        yield rig


def always() -> bool:
    return True


def never() -> bool:
    return False


def give_up(connection: PsycopgConnection, events: Sequence[ReceivedEvent], clause: str) -> list[Disposition]:
    for one in events:
        values = [one.event.aggregate_id, one.event.aggregate_version, clause]
        connection.execute("INSERT INTO given_up (key, number, clause) VALUES (%s, %s, %s)", values)
    return [Disposition.SHED] * len(events)


def given_up(rig: Rig) -> list[tuple[str, int]]:
    return [(key, number) for key, number in rig.sql("SELECT key, number FROM given_up ORDER BY 1, 2")]


def fails_for(*keys: str, limping: list[bool]) -> Handler:
    """A handler whose downstream does not answer for these keys while `limping` holds anything."""

    def handle(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        if limping and any(one.event.aggregate_id in keys for one in events):
            raise ConnectionError("down")
        return write_effects(connection, events)

    return handle


def poor(choice: OverBudget, flood: FloodRule = FloodRule()) -> RuntimeSettings:  # noqa: B008 - frozen
    """Little budget."""
    retry = replace(RETRY, budget_floor_per_s=5.0, over_budget=choice)
    return replace(QUICK, retry=retry, breaker=NEVER, flood=flood)


def test_a_sample_is_handled_the_rest_is_noted_and_all_of_it_is_passed(rig: Rig) -> None:
    rig.send_many(keys=40, each=3)
    running = rig.runtime(shedding=Shedding(always, give_up, sample=SAMPLE, sample_clause=CLAUSE))
    wait_until(rig.caught_up, rig.positions)
    running.stop()
    kept, left_out = {key for key, _ in rig.effects()}, {key for key, _ in given_up(rig)}
    assert kept
    assert left_out
    assert not kept & left_out, "whole keys"
    assert sorted([*rig.effects(), *given_up(rig)]) == sorted(rig.sent)
    assert running.count(Metric.SHED, CLAUSE) == len(given_up(rig))
    assert running.count(Metric.DISPOSITION, "shed") == len(given_up(rig))


def test_what_is_not_permitted_is_handled(rig: Rig) -> None:
    rig.send_many(keys=20, each=2)
    rig.runtime(shedding=Shedding(never, give_up, SAMPLE))
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()
    assert not given_up(rig)


def test_a_rolled_back_run_notes_nothing(rig: Rig) -> None:
    """The note is of the run's transaction, as an effect is."""
    failures = [1]

    def fails_once(connection: PsycopgConnection, events: Sequence[ReceivedEvent], clause: str) -> list[Disposition]:
        found = give_up(connection, events, clause)
        if failures:
            failures.pop()
            raise ConnectionError("gone")
        return found

    rig.send_many(keys=1, each=5)
    nobody = replace(SAMPLE, keep=0.0)
    rig.runtime(shedding=Shedding(always, fails_once, sample=nobody))
    wait_until(rig.caught_up, rig.positions)
    assert given_up(rig) == rig.sent


def test_over_budget_what_failed_is_given_up_and_the_others_are_done(rig: Rig) -> None:
    down = [True]
    rig.send_many(keys=10, each=4)
    shedding = Shedding(always, give_up, over_budget=f"{OVER_BUDGET}=drop")
    running = rig.runtime(fails_for("order-3", limping=down), settings=poor(OverBudget.DROP), shedding=shedding)
    wait_until(rig.caught_up, rig.positions)
    running.stop()
    assert {key for key, _ in given_up(rig)} == {"order-3"}
    assert sorted([*rig.effects(), *given_up(rig)]) == sorted(rig.sent)
    assert running.count(Metric.SHED, f"{OVER_BUDGET}=drop") == len(given_up(rig)) == 4
    assert not rig.parked()


def test_over_budget_and_not_permitted_it_waits(rig: Rig) -> None:
    down = [True]
    rig.send_many(keys=4, each=2)
    handler = fails_for("order-1", limping=down)
    running = rig.runtime(handler, settings=poor(OverBudget.DROP), shedding=Shedding(never, give_up))
    wait_until(lambda: running.count(Metric.PUT_OFF, Clause.BUDGET) > 3)
    assert not rig.caught_up()
    down.clear()
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()


def test_over_budget_what_failed_is_parked_with_the_later_events_of_its_key(rig: Rig) -> None:
    down = [True]
    rig.send_many(keys=10, each=4)
    shedding = Shedding(over_budget=f"{OVER_BUDGET}=quarantine")
    running = rig.runtime(fails_for("order-3", limping=down), settings=poor(OverBudget.QUARANTINE), shedding=shedding)
    wait_until(rig.caught_up, rig.positions)
    running.stop()
    assert [key for key, _ in rig.parked()] == ["order-3"] * 4
    assert sorted(set(rig.sent) - set(rig.effects())) == [("order-3", number) for number in (1, 2, 3, 4)]
    reasons = [reason for (reason,) in rig.sql('SELECT reason FROM quarantine ORDER BY "offset"')]
    assert reasons[0] == f"over_budget: {OVER_BUDGET}=quarantine"
    assert running.count(Metric.PARKED, "over_budget") == 1
    assert running.count(Metric.PARKED, "behind") == 3


@pytest.mark.parametrize("choice", [OverBudget.DROP, OverBudget.QUARANTINE])
def test_who_only_stood_beside_a_failure_is_not_ended(rig: Rig, choice: OverBudget) -> None:
    """Runs of ten fail as a whole while the budget is spent; none of them shows whose failure it was."""

    def fails_in_company(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        if len(events) > 1:
            raise ConnectionError("somebody of these")
        return write_effects(connection, events)

    others = RetryBudget(rig.group, BudgetRule(floor_per_s=20.0))
    others.failed(140)  # what the account opens with, and two seconds' worth
    with connect_to(rig.dsn) as connection:
        others.deposit(connection)
    rig.send_many(keys=8, each=3)
    settings = poor(choice)
    settings = replace(settings, run_records=10, retry=replace(settings.retry, budget_floor_per_s=20.0))
    running = rig.runtime(fails_in_company, settings=settings, shedding=Shedding(always, give_up))
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()
    assert running.count(Metric.PUT_OFF, Clause.BUDGET) > 0, "the budget was spent"
    assert not given_up(rig)
    assert not rig.parked()


def test_an_outage_does_not_drain_into_quarantine(rig: Rig) -> None:
    down, keys = [True], 60
    rig.send_many(keys=keys, each=1)
    handler = fails_for(*(f"order-{key}" for key in range(keys)), limping=down)
    limits = FloodRule(consecutive=3, pause_s=0.05)
    running = rig.runtime(handler, settings=replace(poor(OverBudget.QUARANTINE, limits), run_records=1))
    wait_until(lambda: running.count(Metric.PUT_OFF, Clause.FLOOD_ROW) > 10)
    assert len(rig.parked()) < 3 * len({partition for partition, _, _ in rig.positions()})
    down.clear()
    wait_until(lambda: len(rig.effects()) + len(rig.parked()) == keys, rig.positions)
    assert not set(rig.effects()) & {(key, 1) for key, _ in rig.parked()}


@pytest.mark.parametrize("choice", [OverBudget.DROP, OverBudget.QUARANTINE])
def test_work_that_is_done_before_the_transaction_is_not_ended(rig: Rig, choice: OverBudget) -> None:
    with pytest.raises(ConfigurationError, match="set it to defer"):
        rig.runtime(InParallel(lambda _: Disposition.APPLIED), settings=poor(choice))


def test_blocking_work_is_not_sampled(rig: Rig) -> None:
    with pytest.raises(ConfigurationError, match="samples are judged in the transaction"):
        ConsumerRuntime(
            consumer=rig.make_consumer(rig.group),
            admin=rig.admin,
            connect=lambda: pytest.fail("never connects"),
            group=rig.group,
            topics=[rig.topic],
            handler=InParallel(lambda _: Disposition.APPLIED),
            reader=rig.make_reader,
            shedding=Shedding(sample=SAMPLE),
        )
