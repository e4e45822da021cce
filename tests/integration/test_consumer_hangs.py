"""A handler that hangs: its lane stands, which is said; and the process ends all the same when it is asked to."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, InParallel, Metric, RuntimeSettings
from outbox.errors import ConfigurationError
from outbox.event import ReceivedEvent
from tests.integration.consumer_rig import QUICK, WITHIN_S, Rig, write_effects
from tests.support.logs import lines_of
from tests.support.waiting import wait_until

ENDS_WITHIN_S = 10.0  # as long as whoever stops a process mostly waits before killing it
SETTINGS = replace(QUICK, slow_s=0.5, drain_s=RuntimeSettings().drain_s)


def standing(rig: Rig) -> list[tuple[str, int, str]]:
    """What the member says to stand: cause, offset and detail, for `outbox lag`."""
    found = rig.sql("SELECT jsonb_array_elements(standing) FROM member")
    return [(one["cause"], one["offset"], one["detail"]) for (one,) in found]


@pytest.mark.parametrize("parallel", [False, True])
def test_a_handler_that_hangs_is_told_of_and_does_not_keep_the_process(
    rig: Rig, caplog: pytest.LogCaptureFixture, *, parallel: bool
) -> None:
    go_on = threading.Event()

    def hanging(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        if events[0].event.aggregate_id == "order-1":
            go_on.wait(WITHIN_S)
        return write_effects(connection, events)

    def work(one: ReceivedEvent) -> Disposition:
        if one.event.aggregate_id == "order-1":
            go_on.wait(WITHIN_S)
        return Disposition.APPLIED

    with caplog.at_level(logging.WARNING, "outbox.consumer"):
        running = rig.runtime(InParallel(work, hands=2) if parallel else hanging, settings=SETTINGS)
        rig.send("order-1", 1)
        wait_until(lambda: running.count(Metric.SLOW) >= 2, running.counts.most_common)
    told = [vars(record) for record in lines_of(caplog, "outbox.consumer") if record.getMessage() == "run_at_work"]
    assert {(one["topic"], one["first_offset"]) for one in told} == {(rig.topic, 0)}
    assert [one["for_s"] >= SETTINGS.slow_s * times for times, one in enumerate(told, 1)] == [True] * len(told)
    wait_until(lambda: standing(rig) == [("lane_stands", 0, "at work")], lambda: standing(rig))
    asked_at = time.monotonic()
    running.stop()
    took_s = time.monotonic() - asked_at
    go_on.set()
    assert took_s < ENDS_WITHIN_S
    rig.runtime()
    if not parallel:
        wait_until(lambda: rig.effects() == [("order-1", 1)], rig.effects)
    wait_until(rig.caught_up, rig.positions)


def test_runs_that_end_in_time_are_not_told_of(rig: Rig) -> None:
    running = rig.runtime(settings=replace(QUICK, slow_s=5.0))
    rig.send_many(keys=6, each=4)
    wait_until(rig.all_applied, rig.effects)
    wait_until(rig.caught_up, rig.positions)
    assert running.count(Metric.SLOW) == 0
    with pytest.raises(ConfigurationError, match=r"slow_s is 0; give a time above 0"):
        RuntimeSettings(slow_s=0)
