"""Triage: repeats are recognised, parked keys hold their successors back, everything has one place."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.consumer.triage import Doubtful, Triage, is_foreign, is_repeat, triage
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
    sources: frozenset[str] | None = None,
    repeats: frozenset[int] = frozenset(),
) -> Triage:
    condemned = condemned or {}
    return triage(
        records, from_record, last=last, blocked=blocked, condemned=condemned, sources=sources, repeats=repeats
    )


def offsets(found: Triage) -> tuple[list[int], list[int]]:
    return [event.offset for event in found.events], [one.record.offset for one in found.parked]


def test_events_pass_in_order_and_move_the_source_position() -> None:
    found = sort(record(0, lsn=10), record(3, b"b", lsn=11))
    assert offsets(found) == ([0, 3], [])
    assert found.last == SourcePosition("db", 11, 0)


def test_a_repeat_of_the_relay_reaches_no_handler() -> None:
    last = SourcePosition("db", 10, 0)
    found = sort(record(7, lsn=10), record(8, lsn=12), record(9, lsn=11), last=last, repeats=frozenset({7, 9}))
    assert (offsets(found), found.duplicates) == (([8], []), 2)


def test_what_only_looks_like_a_repeat_is_doubtful_and_nothing_is_handled() -> None:
    last = SourcePosition("db", 10, 0)
    with pytest.raises(Doubtful) as raised:
        sort(record(7, lsn=10), record(8, lsn=12), record(9, lsn=11), last=last, repeats=frozenset({7}))
    assert [(doubt.offset, doubt.foreign) for doubt in raised.value.doubts] == [(9, False)]


def test_two_whole_sources_and_an_unknown_position_are_no_repeats() -> None:
    last = SourcePosition("1/db", 10, 0)
    assert not is_repeat(SourcePosition("2/db", 1, 0), last)
    assert not is_repeat(None, last)
    assert not is_repeat(last, None)
    assert is_repeat(last, last)


def test_a_bare_source_name_may_be_any_source() -> None:
    assert is_repeat(SourcePosition("1/db", 9, 0), SourcePosition("main", 10, 0))
    assert is_repeat(SourcePosition("main", 10, 0), SourcePosition("1/db", 10, 0))
    assert not is_repeat(SourcePosition("1/db", 11, 0), SourcePosition("main", 10, 0))


@pytest.mark.parametrize(
    ("source", "last", "sources", "foreign"),
    [
        ("1/db", None, None, False),  # the first one, and nobody said whose events these are
        ("1/db", None, {"1/db"}, False),
        ("2/db", None, {"1/db"}, True),
        ("2/db", "1/db", None, True),
        ("2/db", "1/db", {"1/db", "2/db"}, False),
        ("2/db", "main", None, False),
        ("main", "1/db", {"1/db"}, False),
    ],
)
def test_a_source_is_foreign_if_it_is_none_of_ours(
    source: str, last: str | None, sources: set[str] | None, foreign: bool
) -> None:
    before = None if last is None else SourcePosition(last, 1, 0)
    assert is_foreign(SourcePosition(source, 9, 0), before, sources) is foreign


@given(st.lists(st.integers(1, 6), max_size=12), st.frozensets(st.integers(0, 11)))
def test_only_what_the_log_has_shown_is_a_duplicate(lsns: list[int], shown: frozenset[int]) -> None:
    """Whatever the positions: an event is handled, or the log has shown its original, or nothing is done."""
    records = [record(offset, lsn=lsn) for offset, lsn in enumerate(lsns)]
    with suppress(Doubtful):
        found = sort(*records, repeats=shown)
        dropped = set(range(len(lsns))) - set(offsets(found)[0])
        assert dropped <= shown
        assert found.duplicates == len(dropped)


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
    last = SourcePosition("db", 10, 0)
    found = sort(record(5, lsn=10), last=last, blocked=frozenset({b"a"}), repeats=frozenset({5}))
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
