"""What fails once behind others is tried again at once, before they are committed; whatever lasts, waits."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import BreakerRule, BudgetRule, Disposition, Metric, Overloaded, RetryBudget
from outbox.consumer.partitions.run import Assigned, GivenUp, Run
from outbox.consumer.report import Report, ignore
from outbox.consumer.retry.retries import Retries
from outbox.event import ReceivedEvent
from outbox.kafka.port import Record, TopicPartition
from tests.integration.consumer_rig import QUICK, RETRY, Rig, connect_to, write_effects
from tests.support.logs import lines_of
from tests.support.waiting import wait_until

PLACE = TopicPartition("shop.order", 0)
RECORD = Record("shop.order", 0, 0, b"order-1", b"{}", (), 0)
NEVER = BreakerRule(least=10_000, in_a_row=10_000)
LONG_RUNS = replace(QUICK, run_records=1_000, lanes=1, workers=1, breaker=NEVER)
PASSES = ConnectionError("its vendor closed the connection")


class FailingTimes:
    """Fails so often with each of some events; `seen` are the transactions in which each was tried."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.seen: dict[tuple[str, int], list[int]] = defaultdict(list)

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        row = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        assert row is not None
        for one in events:
            name = (one.event.aggregate_id, one.event.aggregate_version)
            if int(name[0].removeprefix("order-")) % 20 == 7:
                self.seen[name].append(row[0])
                if len(self.seen[name]) <= self._times:
                    raise PASSES
        return write_effects(connection, events)


def test_what_fails_once_behind_others_is_done_in_the_same_transaction(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    handler = FailingTimes(1)
    rig.send_many(keys=100, each=10)
    running = rig.runtime(handler, settings=LONG_RUNS)
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()
    assert len(handler.seen) == running.count(Metric.RETRY) == 50
    at_once = [tried for tried in handler.seen.values() if tried[0] == tried[1]]
    assert len(at_once) > 25, "nearly all but the first of each partition, and two in one part"
    lines = [vars(one) for one in lines_of(caplog, "outbox") if one.message == "retried_at_once"]
    assert 0 < len(lines) < len(at_once), "a line a second of each kind"
    assert (lines[0]["times"], lines[0]["error"], lines[0]["place"]) == (1, "ConnectionError", lines[0]["place"])


def test_what_fails_again_waits_and_what_stood_before_it_is_committed(rig: Rig) -> None:
    handler = FailingTimes(2)
    rig.send_many(keys=100, each=10)
    running = rig.runtime(handler, settings=LONG_RUNS)
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()
    assert running.count(Metric.RETRY) == 100
    assert any(tried[0] == tried[1] for tried in handler.seen.values())
    assert max(tried.count(one) for tried in handler.seen.values() for one in tried) == 2, "never a third time at once"


def test_it_is_tried_at_once_only_where_that_may_help(rig: Rig) -> None:
    part = Run(Assigned(PLACE, "1", 1, ()), 0, (RECORD,), 1, None, frozenset(), 0, 0.0, {}, GivenUp())
    budget = RetryBudget("search", BudgetRule(floor_per_s=1.0, lease=3))
    retries = Retries(LONG_RUNS, budget, Report(ignore), lambda: 0.0, random.Random(1))
    assert not retries.at_once(part, PASSES, 0.0), "nothing is reserved yet, and the account is not asked for it"
    with connect_to(rig.dsn) as connection:
        assert budget.reserve(connection, 1)
    assert not retries.at_once(part, KeyError("total"), 0.0), "a mistake stays one"
    assert not retries.at_once(part, Overloaded("429"), 0.0), "it asks for patience"
    assert not retries.at_once(part, PASSES, RETRY.base_s * 2), "it took long to fail, with a transaction open"
    assert [retries.at_once(part, PASSES, 0.0) for _ in range(3)] == [True, True, False], "as many as are reserved"
    retries.passed()
    assert retries.at_once(part, PASSES, 0.0)
    retries.passed()
    retries.hold(5.0)
    assert not retries.at_once(part, PASSES, 0.0), "somebody asks for a slower pace"
    retries.hold(None)
    once = replace(LONG_RUNS, retry=replace(RETRY, attempts=1))
    retries = Retries(once, budget, Report(ignore), lambda: 0.0, random.Random(1))
    assert not retries.at_once(part, PASSES, 0.0), "its policy allows one attempt before it is put off"
