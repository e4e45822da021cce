"""Triage: repeats are recognised, parked keys hold their successors back, everything has one place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from outbox.consumer.triage import Triage, is_repeat, triage
from outbox.event import Event, SourcePosition
from outbox.kafka.codec import from_record, to_headers
from outbox.kafka.port import Record

BROKEN = [("id", b"not a uuid")]


def record(offset: int, key: bytes = b"a", lsn: int | None = None) -> Record:
    event = Event("order", key.decode(), 1, "OrderPlaced", b"{}")
    position = None if lsn is None else SourcePosition("db", lsn, 0)
    return Record("order", 0, offset, key, b"{}", to_headers(event, position), 0)


def broken(offset: int, key: bytes | None = b"a") -> Record:
    return Record("order", 0, offset, key, b"{}", BROKEN, 0)


def sort(
    *records: Record,
    last: SourcePosition | None = None,
    blocked: frozenset[bytes] = frozenset(),
    condemned: dict[int, str] | None = None,
) -> Triage:
    return triage(records, from_record, last=last, blocked=blocked, condemned=condemned or {})


def offsets(found: Triage) -> tuple[list[int], list[int]]:
    return [event.offset for event in found.events], [one.record.offset for one in found.parked]


def test_events_pass_in_order_and_move_the_source_position() -> None:
    found = sort(record(0, lsn=10), record(3, b"b", lsn=11))
    assert offsets(found) == ([0, 3], [])
    assert found.last == SourcePosition("db", 11, 0)


def test_a_repeat_of_the_relay_reaches_no_handler() -> None:
    found = sort(record(7, lsn=10), record(8, lsn=12), record(9, lsn=11), last=SourcePosition("db", 10, 0))
    assert (offsets(found), found.duplicates) == (([8], []), 2)


def test_another_source_and_an_unknown_position_are_no_repeats() -> None:
    last = SourcePosition("db", 10, 0)
    assert not is_repeat(SourcePosition("other", 1, 0), last)
    assert not is_repeat(None, last)
    assert not is_repeat(last, None)
    assert is_repeat(last, last)


def test_an_undecodable_record_parks_the_later_events_of_its_key_only() -> None:
    found = sort(broken(0), record(1), record(2, b"b"))
    assert offsets(found) == ([2], [0, 1])
    assert found.parked_keys == {b"a"}
    assert found.parked[0].reason.startswith("undecodable: ")


def test_a_record_without_a_key_parks_alone() -> None:
    found = sort(broken(0, None), broken(1, None), record(2))
    assert offsets(found) == ([2], [0, 1])
    assert found.parked_keys == frozenset()


def test_a_condemned_event_is_parked_with_its_reason_and_its_successors() -> None:
    found = sort(record(0), record(1), record(2), record(3, b"b"), condemned={1: "no such customer"})
    assert offsets(found) == ([0, 3], [1, 2])
    assert [one.reason for one in found.parked] == ["no such customer", "behind an earlier parked event of its key"]


def test_a_repeat_of_a_parked_event_is_not_parked_again() -> None:
    found = sort(record(5, lsn=10), last=SourcePosition("db", 10, 0), blocked=frozenset({b"a"}))
    assert (offsets(found), found.duplicates) == (([], []), 1)


@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.booleans(), st.booleans()), max_size=12),
    st.frozensets(st.sampled_from([b"a", b"b", b"c"])),
)
def test_every_record_has_one_place_and_no_event_passes_a_parked_one(
    shape: list[tuple[bytes, bool, bool]], blocked: frozenset[bytes]
) -> None:
    records = [broken(at, key) if bad else record(at, key) for at, (key, bad, _) in enumerate(shape)]
    condemned = {at: "poison" for at, (_, _, poison) in enumerate(shape) if poison}
    found = sort(*records, blocked=blocked, condemned=condemned)
    passed, parked = offsets(found)
    assert sorted(passed + parked) == list(range(len(shape)))
    for key in (b"a", b"b", b"c"):
        held = [at for at in parked if shape[at][0] == key]
        went = [at for at in passed if shape[at][0] == key]
        assert not (key in blocked and went)
        assert not held or all(at < held[0] for at in went)
