"""Ids that tell their time, and positions as text."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox import uuid7
from outbox.event import SourcePosition

MILLISECONDS = st.integers(0, (1 << 48) - 1)


@given(MILLISECONDS)
def test_an_id_is_a_uuid_of_version_7_and_holds_its_time(now_ms: int) -> None:
    made = uuid7(now_ms)

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == now_ms


@given(MILLISECONDS, MILLISECONDS)
def test_ids_sort_by_their_time(one: int, other: int) -> None:
    if one < other:
        assert uuid7(one) < uuid7(other)


def test_ids_of_one_millisecond_differ() -> None:
    assert len({uuid7(1_700_000_000_000) for _ in range(10_000)}) == 10_000


def test_an_id_without_a_time_is_of_now() -> None:
    assert UUID(int=uuid7().int) > uuid7(1_700_000_000_000)


@given(st.from_regex(r"[A-Za-z0-9:._-]{1,20}", fullmatch=True), st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1))
def test_a_position_is_read_as_it_was_written(source: str, lsn: int, ordinal: int) -> None:
    position = SourcePosition(source, lsn, ordinal)

    assert SourcePosition.parse(str(position)) == position


def test_positions_sort_as_they_were_committed() -> None:
    committed = [SourcePosition("main", 9, 0), SourcePosition("main", 9, 1), SourcePosition("main", 16, 0)]

    assert sorted([committed[2], committed[0], committed[1]]) == committed


@pytest.mark.parametrize("text", ["", "main", "main:1", "main:xyz:0", "main:1:two"])
def test_other_text_is_no_position(text: str) -> None:
    with pytest.raises(ValueError, match=r"unpack|invalid literal|digits"):
        SourcePosition.parse(text)
