"""The relay killed with -9 at every named point: nothing lost, nothing overtaken, repeats recognisable."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from functools import partial

import pytest

from outbox import append
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.support.relay_rig import (
    WITHIN_S,
    RelayRig,
    append_in_random_transactions,
    assert_counts_up,
    assert_repeats_are_recognisable,
    first_arrivals,
    order_event,
)
from tests.support.waiting import wait_until

# How late a point may be: one that is passed rarely would not be reached again.
POINTS = {
    "relay.connected": 1,
    "relay.read": 40,
    "relay.sent": 40,
    "relay.acknowledged": 40,
    "relay.confirmed": 2,
}
SEEDS = (1, 2)
EVENTS = 80
KILLS = 3

APPENDED = "SELECT id::text FROM outbox.outbox"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_relay_comes_back_without_loss(
    stack: Stack, database: str, topic_prefix: str, point: str, seed: int
) -> None:
    rng = random.Random(f"{point}:{seed}")
    rig = RelayRig.prepare(stack, database, topic_prefix)
    rig.start("first").terminate()  # the slot is older than the events
    with rig.connect() as connection:
        append_in_random_transactions(connection, rng, EVENTS)
    end_lsn = rig.insert_lsn()

    # The first kill is at the point itself; later ones anywhere, some before everything is out, some after.
    more = itertools.count(1)
    places = [point, *rng.choices(list(POINTS), k=KILLS - 1)]
    for number, place in enumerate(places):
        stop_at = f"{place}:{rng.randint(1, POINTS[place])}"
        print(f"seed {seed}, kill {number} at {stop_at}")
        relay = rig.launch(f"kill-{number}", OUTBOX_STOP_AT=stop_at)
        reached = (
            partial(is_at_rest, rig, relay, end_lsn) if number else partial(has_stopped_or_is_fed, rig, relay, more)
        )
        wait_until(reached, relay.log_path.read_text, within_s=WITHIN_S, every_s=0.1)
        relay.kill()

    rig.start("last")
    rig.wait_confirmed()
    events = rig.events()
    with rig.connect() as connection:
        assert {str(one.event.id) for one in events} == {row[0] for row in connection.execute(APPENDED)}
    assert_counts_up(first_arrivals(events))
    assert_repeats_are_recognisable(events)
    rig.end()


def has_stopped(relay: Running) -> bool:
    return "stopped_at" in relay.log_path.read_text()


def has_stopped_or_is_fed(rig: RelayRig, relay: Running, versions: Iterator[int]) -> bool:
    """All may be confirmed at once: a point that is passed rarely is passed again when there is more."""
    if has_stopped(relay):
        return True
    with rig.connect() as connection:
        append(connection, order_event("more", next(versions)))
    return False


def is_at_rest(rig: RelayRig, relay: Running, end_lsn: int) -> bool:
    """Stopped at its point, or, when that lies beyond what is left to do, done."""
    if has_stopped(relay):
        return True
    with rig.connect(autocommit=True) as connection:
        return rig.confirmed_lsn(connection) >= end_lsn
