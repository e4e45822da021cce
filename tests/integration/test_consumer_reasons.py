"""Why an event is parked: the first reason is kept, whatever its replays end by."""

from __future__ import annotations

from outbox.consumer import Metric
from tests.integration.consumer_rig import Rig
from tests.integration.test_consumer_release import Picky, head, replay, rig
from tests.support.waiting import wait_until

__all__ = ["rig"]


def test_the_first_reason_stays_whatever_replays_say(rig: Rig) -> None:
    rig.send_many(keys=1, each=2)
    picky = Picky(("order-0", 1))
    running = rig.runtime(picky)
    wait_until(lambda: len(rig.parked()) == 2, rig.parked)
    for number, why in enumerate(("no such customer", "no such country", "no such street"), start=1):
        picky.reason = why
        replay(rig)
        wait_until(lambda number=number: running.count(Metric.HELD_AGAIN) == number, rig.parked)  # type: ignore[misc] # bound at once
        again = "" if why == "no such customer" else f" | replayed: {why}"
        assert head(rig).reason == f"no such customer{again}"
