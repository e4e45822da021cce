"""Lag is worked out from positions and the log: what waits, since when, and what stands."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from outbox.consumer import lane_of
from outbox.consumer.append_time import appended_ms, id_ms
from outbox.consumer.lag.figures import (
    ParkedEvents,
    age_s,
    lasting,
    partition_lag,
    seen_standing,
    tenants_of,
)
from outbox.consumer.lag.scan import AT_ONCE, SAMPLE, Scan
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.event import Event, uuid7
from outbox.kafka.codec import to_headers
from outbox.kafka.headers import RawHeaders
from outbox.kafka.port import Record, TopicPartition

PLACE = TopicPartition("outbox.event.order", 0)
LANES = 4


def key_of(lane: int, lanes: int = LANES) -> bytes:
    return next(key for number in range(999) if lane_of(key := f"order-{number}".encode(), lanes) == lane)


def record(offset: int, *, lane: int = 0, appended: int = 0, arrived: int = 0, tenant: str = "") -> Record:
    context = {"tenant": tenant, "class": "card"} if tenant else {}
    event = Event("order", key_of(lane).decode(), 1, "Placed", b"{}", context, id=uuid7(appended or offset))
    headers = to_headers(event, None)
    return Record(*PLACE, offset, key_of(lane), b"{}", headers, arrived or appended or offset)


class Log:
    """Records from an offset on, and how many were read."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records, self.read_ones = list(records), 0

    @property
    def end(self) -> int:
        return self.records[-1].offset + 1

    def read(self, offset: int, limit: int) -> Sequence[Record]:
        found = [one for one in self.records if one.offset >= offset][:limit]
        self.read_ones += len(found)
        return found


def test_an_event_was_appended_when_its_id_says_but_never_after_it_was_sent() -> None:
    assert appended_ms(record(1, appended=1_000, arrived=9_000)) == 1_000  # a relay or broker was down meanwhile
    assert appended_ms(record(1, appended=9_000, arrived=1_000)) == 1_000  # the producer's clock is ahead
    assert appended_ms(record(1, appended=5_000)._replace(timestamp_ms=-1)) == 5_000  # the record tells no time


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("id", b"")],
        [("id", b"\xff")],
        [("id", str(UUID(int=4 << 76)).encode())],
        RawHeaders(b"\x02\xff"),
        [("id", None)],
    ],
)
def test_what_has_no_id_of_version_7_is_as_old_as_its_record(headers: Sequence[tuple[str, bytes]]) -> None:
    assert id_ms(headers) is None
    assert appended_ms(record(1, arrived=7)._replace(headers=headers)) == 7


def test_only_what_its_own_lane_has_not_passed_waits() -> None:
    log = Log([record(offset, lane=offset % LANES) for offset in range(8)])
    scan = Scan.of((4, 8, 8, 8))
    scan.look((4, 8, 8, 8), 8, log.read)
    assert [(one.offset, one.lane) for one in scan.waiting] == [(4, 0)]
    assert scan.records(8) == (1, True)


def test_what_was_read_is_not_read_again_while_it_waits() -> None:
    log = Log([record(offset, lane=offset % LANES) for offset in range(100)])
    scan = Scan.of((0,) * LANES)
    scan.look((0,) * LANES, log.end, log.read)
    assert log.read_ones == 100
    scan.look((40, 41, 42, 43), log.end, log.read)
    assert (scan.waiting[0].offset, len(scan.waiting), log.read_ones) == (40, 60, 100)
    log.records.append(record(100))
    scan.look((40, 41, 42, 43), log.end, log.read)
    assert (len(scan.waiting), log.read_ones) == (61, 101)


def test_beyond_the_sample_keys_are_taken_to_spread_evenly_and_that_is_said() -> None:
    log = Log([record(offset, lane=offset % LANES) for offset in range(4 * SAMPLE)])
    scan = Scan.of((0,) * LANES)
    scan.look((0,) * LANES, log.end, log.read)
    assert scan.records(log.end) == (4 * SAMPLE, False)
    assert log.read_ones == SAMPLE


def test_a_lane_that_stands_far_behind_the_others_is_found() -> None:
    log = Log([record(offset, lane=1) for offset in range(3 * AT_ONCE)] + [record(3 * AT_ONCE, lane=0, appended=7)])
    lanes = (0, 3 * AT_ONCE, 3 * AT_ONCE, 3 * AT_ONCE)
    scan = Scan.of(lanes)
    scan.look(lanes, log.end, log.read)
    assert [one.appended_ms for one in scan.waiting] == [7]


def test_markers_and_what_a_transaction_took_back_do_not_wait() -> None:
    scan = Scan.of((5, 5))
    scan.look((5, 5), 9, lambda _offset, _limit: [])
    assert scan.records(9) == (0, True)


@pytest.mark.parametrize("beyond", [1, AT_ONCE])
def test_what_came_after_the_end_was_asked_for_is_counted_once_and_only_then(beyond: int) -> None:
    log, lanes = Log([record(offset) for offset in range(3)]), (0,) * LANES
    scan, end = Scan.of(lanes), log.end
    log.records += [record(end + number) for number in range(beyond)]
    for _ in range(2):
        scan.look(lanes, end, log.read)
        assert scan.records(end) == (end, True)
    while scan.reached < log.end and len(scan.waiting) < SAMPLE:
        scan.look(lanes, log.end, log.read)
    offsets = [one.offset for one in scan.waiting]
    assert offsets == sorted(set(offsets)), "each once"
    assert scan.records(end + 1) == (end + 1, True)


def test_a_position_that_was_set_back_begins_anew() -> None:
    assert Scan.of((5, 5)).follows((5, 9))
    assert not Scan.of((5, 5)).follows((5, 4))
    assert not Scan.of((5, 5)).follows((5,))


def test_the_oldest_event_is_waiting_or_parked() -> None:
    log = Log([record(3, appended=9_000), record(4, appended=8_000)])  # committed in another order than appended
    scan = Scan.of((3,) * LANES)
    scan.look((3,) * LANES, 5, log.read)
    lag = partition_lag(PLACE, now_ms=10_000, lanes=(3,) * LANES, end=5, scan=scan, parked=ParkedEvents(2, 1_000))
    assert (lag.records, lag.waiting_s, lag.parked, lag.parked_s, lag.oldest_s) == (2, 2.0, 2, 9.0, 9.0)
    done = partition_lag(PLACE, now_ms=10_000, lanes=(5,), end=5, scan=None)
    assert (done.records, done.exact, done.oldest_s) == (0, True, None)


def test_nothing_is_younger_than_now() -> None:
    assert age_s(1_000, [5_000]) == 0.0


def test_tenants_are_told_apart_by_class_the_longest_wait_first() -> None:
    log = Log([record(0, appended=5_000, tenant="b"), record(1, appended=1_000, tenant="a"), record(2, tenant="b")])
    scan = Scan.of((0,) * LANES)
    scan.look((0,) * LANES, 3, log.read)
    found = tenants_of(scan.waiting, 10_000)
    assert [(one.tenant, one.service_class, one.records, one.oldest_s) for one in found] == [
        ("b", "card", 2, 9.998),
        ("a", "card", 1, 9.0),
    ]


@pytest.mark.parametrize(
    ("arrived_s", "came_s", "held", "unseen_s", "said", "cause"),
    [
        (None, 99.0, False, 99.0, [], None),  # nothing waits: a group at rest
        (30.0, 40.0, False, 20.0, [], StandingCause.NO_MEMBER),
        (30.0, None, False, None, [], StandingCause.NO_MEMBER),  # nobody was ever there
        (30.0, 40.0, False, 1.0, [], None),  # a rebalance
        (30.0, 40.0, True, 0.1, [], StandingCause.NOT_MOVING),
        (30.0, 8.0, True, 0.1, [], StandingCause.NOT_MOVING),  # told within 10 s, looks of a second included
        (30.0, 1.0, True, 0.1, [], None),  # it works
        (1.0, 99.0, True, 0.1, [], None),  # it has just arrived
        (30.0, 40.0, True, 0.1, [Standing(StandingCause.BREAKER_OPEN, 9.0)], None),  # its member said why
        (30.0, 40.0, True, 0.1, [Standing(StandingCause.LANE_STANDS, 9.0, *PLACE)], None),
        (30.0, 40.0, True, 0.1, [Standing(StandingCause.TOPIC_MISSING, 9.0, PLACE.topic)], None),
        (30.0, 40.0, True, 0.1, [Standing(StandingCause.WAITS_ITS_TURN, 9.0, *PLACE)], None),  # it is worked off
        (
            30.0,
            40.0,
            True,
            0.1,
            [Standing(StandingCause.LANE_STANDS, 9.0, PLACE.topic, 1)],
            StandingCause.NOT_MOVING,
        ),  # of another
        (30.0, 40.0, True, 0.1, [Standing(StandingCause.LANE_STANDS, 9.0, "payment", 0)], StandingCause.NOT_MOVING),
    ],
)
def test_who_does_not_move_is_named(  # noqa: PLR0917 - a case each
    arrived_s: float | None,
    came_s: float | None,
    held: bool,
    unseen_s: float | None,
    said: list[Standing],
    cause: StandingCause | None,
) -> None:
    lag = partition_lag(PLACE, now_ms=100_000, lanes=(7,), end=9, scan=None)
    found = seen_standing(lag, arrived_s=arrived_s, came_s=came_s, held=held, unseen_s=unseen_s, said=said)
    assert (None if found is None else found.cause) == cause
    assert found is None or found.offset == 7


def test_a_retry_is_no_standstill_but_a_lost_position_is_one_at_once() -> None:
    said = [
        Standing(StandingCause.LANE_STANDS, 0.5),
        Standing(StandingCause.LANE_STANDS, 8.0),
        Standing(StandingCause.POSITION_LOST, 0.0),
    ]
    assert lasting(said) == said[1:]
