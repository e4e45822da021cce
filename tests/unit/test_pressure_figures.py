"""Pressure is worked out from two looks, and said in words."""

from __future__ import annotations

import pytest

from outbox.consumer.lag.figures import GroupLag, partition_lag
from outbox.consumer.lag.hot import hot, hot_partitions
from outbox.consumer.lag.read import Looked
from outbox.consumer.lag.stored import StoredPosition
from outbox.kafka.port import TopicPartition
from strangler.pressure.figures import LogReading, Pressure, Queued, pressure_of, spoken_s
from strangler.pressure.read import _log

NOW_MS = 1_000_000


def seen(first: LogReading, last: LogReading, queued: Queued = Queued(), promise_s: float | None = None) -> Pressure:  # noqa: B008
    return pressure_of(
        "inventory",
        first,
        last,
        queued,
        now_ms=NOW_MS,
        promise_s=promise_s,
        words="orders wait for their stock",
    )


def test_a_context_at_rest_has_no_pressure() -> None:
    rest = seen(LogReading(0, 500, 500), LogReading(2, 500, 500), promise_s=60)

    assert (rest.backlog, rest.oldest_s, rest.drain_s, rest.breach_s) == (0, 0.0, 0.0, None)
    assert rest.sentence == "no orders wait for their stock"


def test_a_backlog_that_drains_says_when_and_how_long_the_promise_holds() -> None:
    busy = seen(LogReading(0, 1000, 500), LogReading(2, 1020, 580, NOW_MS - 38_000), promise_s=60)

    assert (busy.arrival_per_s, busy.service_per_s, busy.backlog) == (10.0, 40.0, 440)
    assert (busy.oldest_s, busy.drain_s, busy.breach_s) == (38.0, 14.7, 22.0)
    assert busy.sentence == (
        "440 orders wait for their stock, oldest 38 s; promise 60 s, breach in 22 s; drained in 15 s"
    )


def test_a_backlog_that_grows_has_no_drain_estimate() -> None:
    assert seen(LogReading(0, 0, 0), LogReading(1, 100, 20, NOW_MS)).drain_s is None
    assert "more comes in than goes out" in seen(LogReading(0, 0, 0), LogReading(1, 100, 20, NOW_MS)).sentence


def test_connections_that_run_out_are_said() -> None:
    at = LogReading(0, 10, 10)
    few = pressure_of("search", at, at, Queued(), now_ms=NOW_MS, saturation={"connections": 0.79})
    many = pressure_of("search", at, at, Queued(), now_ms=NOW_MS, saturation={"connections": 0.8})
    assert few.sentence == "no events wait in search"
    assert many.sentence == "no events wait in search; 80% of its database's connections are taken"


def test_a_broken_promise_is_said_to_be_broken() -> None:
    late = seen(LogReading(0, 10, 0), LogReading(1, 10, 5, NOW_MS - 90_000), promise_s=60)

    assert late.breach_s == -30.0
    assert "broken 30 s ago" in late.sentence


def test_effects_that_wait_are_pressure_too_and_a_limiting_vendor_is_named() -> None:
    queued = Queued(waiting=10, oldest_s=7.0, unknown=6, limited=5)
    found = seen(LogReading(0, 5, 5), LogReading(1, 5, 5), queued, promise_s=5)

    assert (found.oldest_s, found.saturation, found.breach_s) == (7.0, {"vendor": 0.5}, -2.0)
    assert "5 held back by the vendor's limit" in found.sentence
    assert "1 asked of the vendor, its answer not known yet" in found.sentence


def test_a_record_without_a_time_is_not_called_old() -> None:
    assert seen(LogReading(0, 10, 0), LogReading(1, 10, 0)).oldest_s == 0.0


@pytest.mark.parametrize(("seconds", "words"), [(9.96, "10 s"), (119, "119 s"), (121, "2 min"), (7_300, "2 h")])
def test_times_are_spoken_in_fitting_units(seconds: float, words: str) -> None:
    assert spoken_s(seconds) == words


def test_what_has_more_than_its_share_is_named_with_it() -> None:
    events = [[("tenant", "m-1"), ("sku", "85123A")]] * 40
    events += [[("tenant", f"t-{number}"), ("sku", f"s-{number}")] for number in range(40)]

    assert [(each.kind, each.name, each.share) for each in hot(events)] == [
        ("sku", "85123A", 0.5),
        ("tenant", "m-1", 0.5),
    ]
    assert hot(events)[0].sentence == "sku 85123A is in 50% of them (fair: 2.4%)"


def test_a_hot_key_is_named_with_whom_it_is_of() -> None:
    events = [[("key", "o-17"), ("tenant", "acme"), ("sku", str(number % 2))] for number in range(40)]
    events += [[("key", f"o-{number}"), ("tenant", f"t-{number}"), ("sku", str(number))] for number in range(100, 160)]

    found = {(each.kind, each.name): each for each in hot(events)}

    assert found["key", "o-17"].sentence == (
        "key o-17 is in 40% of them (fair: 1.6%): 100% tenant acme, 50% sku 0, 50% sku 1"
    )
    assert found["tenant", "acme"].cause == ""


def test_a_partition_that_has_most_of_it_is_named_with_what_causes_it() -> None:
    one = [[("key", "o-17"), ("tenant", "acme")]] * 9 + [[("key", "o-18"), ("tenant", "shop")]]
    (found,) = hot_partitions({"order/0": 80, "order/1": 10, "order/2": 10, "order/3": 0}, {"order/0": one})

    assert found.sentence == "partition order/0 is in 80% of them (fair: 25.0%): 90% key o-17, 90% tenant acme"
    assert hot_partitions({"order/0": 60, "order/1": 40}, {}) == hot_partitions({"order/0": 100}, {}) == []
    assert hot_partitions({"order/0": 10, "order/1": 0, "order/2": 0}, {}) == [], "too few to say"


def test_nothing_is_hot_where_all_are_alike_or_few() -> None:
    assert hot([[("tenant", "shop")]] * 100) == []
    assert hot([[("sku", str(number % 10))] for number in range(100)]) == []
    assert hot([[("sku", "A")]] * 5) == []


def test_a_group_that_lags_near_its_topics_retention_is_warned_of() -> None:
    fine = seen(LogReading(0, 10, 0), LogReading(1, 10, 5, NOW_MS - 70_000, kept_s=100.0))
    near = seen(LogReading(0, 10, 0), LogReading(1, 10, 5, NOW_MS - 80_000, kept_s=100.0))
    idle = seen(LogReading(0, 10, 10), LogReading(1, 10, 10, kept_s=100.0))

    assert (fine.headroom_s, fine.losing) == (30.0, False)
    assert (near.headroom_s, near.losing) == (20.0, True)
    assert "the topic drops the oldest in 20 s" in near.sentence
    assert (idle.headroom_s, idle.losing) == (None, False)


def test_a_position_beyond_its_partitions_end_hides_no_backlog_of_another() -> None:
    """As of a topic that was made again, where its members have not been yet."""
    ends = [((900, 900), 10), ((2, 4), 10), ((7, 7), None)]
    there = [(TopicPartition("outbox.event.order", number), *one) for number, one in enumerate(ends)]
    partitions = [partition_lag(place, now_ms=NOW_MS, lanes=lanes, end=end, scan=None) for place, lanes, end in there]
    lag = GroupLag("g", 5.0, 1, 0.0, tuple(partitions), (), complete=True, standing=(), left=())
    positions = [StoredPosition(place, lanes, ("a", "a"), 1.0, 1.0) for place, lanes, _ in there]

    reading = _log(Looked(lag, positions, {}, 0))

    assert (reading.end, reading.done, reading.backlog) == (20, 13, 7)
