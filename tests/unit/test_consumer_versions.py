"""What comes too early, and what may go when, as pure functions; and what a policy says of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from outbox.consumer.middleware.versions import Discarded, Done, first_gap, in_versions
from outbox.consumer.quarantine.parked import ParkedRow
from outbox.consumer.quarantine.parked_events import Parcel, in_versions_asked_for
from outbox.event import Event, ReceivedEvent

EXPECTED_GAPS = [
    ((), None),
    ((1, 2, 3), None),
    ((1, 1, 2, 1, 2), None),
    ((2,), (0, 1)),
    ((1, 3), (1, 2)),
    ((1, 2, 5, 9), (2, 3)),
]


def events(versions: Sequence[int], ref: str = "a") -> list[ReceivedEvent]:
    return [
        ReceivedEvent(Event("order", ref, version, "T", b""), "order", 0, offset, None)
        for offset, version in enumerate(versions)
    ]


@pytest.mark.parametrize(("versions", "gap"), EXPECTED_GAPS)
def test_the_first_version_that_lacks_its_predecessor_is_a_gap(
    versions: tuple[int, ...], gap: tuple[int, int] | None
) -> None:
    assert first_gap(events(versions), {"a": Done(0, 0)}) == gap
    assert first_gap(events(versions), {}) is None
    assert first_gap(events(versions), {"a": Done(9, 2)}) is None


@pytest.mark.parametrize(("unread", "gap"), [(0, (0, 2)), (1, (1, 4)), (2, (1, 5)), (3, None)])
def test_what_was_discarded_unread_excuses_so_many_versions(unread: int, gap: tuple[int, int] | None) -> None:
    assert first_gap(events((3, 6)), {"a": Done(1, 1)}, {"a": Discarded(unread=unread)}) == gap


@pytest.mark.parametrize(
    ("versions", "done", "discarded", "gap"),
    [
        ((3,), Done(0, 0), Discarded({2, 4, 5}), (0, 1)),
        ((2, 4), Done(0, 0), Discarded({3}), (0, 1)),
        ((4,), Done(2, 1), Discarded({3}), None),
        ((3, 6), Done(1, 1), Discarded({2, 4, 5}), None),
        ((7,), Done(3, 2), Discarded({2, 4, 5}), (0, 6)),
        ((4, 6), Done(1, 1), Discarded({3}, unread=1), (1, 5)),
        ((6,), Done(4, 2), Discarded({3}, unread=1), (0, 5)),
        ((6,), Done(4, 3), Discarded({3}, unread=1), None),
    ],
)
def test_what_was_discarded_excuses_its_own_version(
    versions: tuple[int, ...], done: Done, discarded: Discarded, gap: tuple[int, int] | None
) -> None:
    assert first_gap(events(versions), {"a": done}, {"a": discarded}) == gap


def test_a_version_that_cannot_be_is_no_gap_and_hides_none() -> None:
    assert first_gap(events((10**6, 1, 2)), {"a": Done(0, 0)}, highest=10**5) is None
    assert first_gap(events((1, 10**6, 3)), {"a": Done(0, 0)}, highest=10**5) == (2, 2)


def test_whatever_the_order_of_arrival_all_goes_in_versions_once_all_is_there() -> None:
    for arrival in itertools.permutations((1, 2, 3, 4)):
        done, waiting, gone = 0, [], []
        for received in events(arrival):
            waiting.append(received)
            ready, waiting, missing = in_versions(waiting, {"a": Done(done, done)}, {})
            gone += [one.event.aggregate_version for one in ready]
            done = max([done, *gone])
            assert missing == (done + 1 if waiting else 0)
            assert [one.offset for one in waiting] == sorted(one.offset for one in waiting)
        assert gone == [1, 2, 3, 4]


def test_a_key_asked_for_goes_in_versions_and_the_others_stay_in_their_places() -> None:
    def parcel(offset: int, key: str, version: int | None, *, requested: bool = True) -> Parcel:
        row = ParkedRow(offset, key.encode(), None, None, None, None, requested)
        return Parcel(row, None if version is None else events([version], key)[0], "")

    parked = [parcel(1, "a", 3), parcel(2, "b", 9, requested=False), parcel(3, "a", 2), parcel(4, "c", 1)]
    parked += [parcel(5, "b", 8, requested=False), parcel(6, "a", 2), parcel(7, "c", None)]

    assert [one.row.offset for one in in_versions_asked_for(parked)] == [3, 2, 6, 7, 5, 1, 4]
