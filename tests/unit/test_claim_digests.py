"""The digest of an intent is the same of what a step wanted and of what PostgreSQL gives back of it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler import Rows, Write
from strangler.step.digests import digest, digests

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.text() | st.integers() | st.booleans() | st.none()
VALUES = st.recursive(
    NUMBERS | st.booleans() | st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)
)


def as_jsonb_gives_it(value: Any) -> Any:
    """jsonb keeps a number's digits, writes it without an exponent, and knows no negative zero."""

    def number(text: str) -> float | int:
        plain = format(Decimal(text), "f")
        return float(plain) or 0.0 if "." in plain else int(plain)

    return json.loads(json.dumps(value), parse_float=number)


@given(VALUES)
def test_what_comes_back_has_the_digest_of_what_was_wanted(value: Any) -> None:
    body = {"z": value, "a": [value]}
    back = as_jsonb_gives_it(body)

    assert digest({"kind": "call", "body": dict(reversed(back.items()))}) == digest({"kind": "call", "body": body})


@pytest.mark.parametrize("seats", [{2: "b", 10: "a"}, {None: 1, "b": 2, 3: 3, True: 4}])
def test_keys_that_are_no_texts_have_the_order_that_they_are_stored_in(seats: Any) -> None:
    wanted = {"kind": "call", "body": {"seats": seats}}

    assert digest(wanted) == digest(as_jsonb_gives_it(wanted))


@pytest.mark.parametrize("other", [251, "250", 250.5, None, True, [250]])
def test_another_value_has_another_digest(other: Any) -> None:
    assert digest({"kind": "call", "body": {"cents": 250}}) != digest({"kind": "call", "body": {"cents": other}})


def test_each_intent_has_its_own_and_nothing_wanted_is_none() -> None:
    one, two = {"kind": "call"}, {"kind": "write"}

    assert digests([one, two, None]).split() == [digest(one), digest(two), "-"]
    assert (digest(one)[0], digest(two)[0]) == ("c", "w")
    assert digests([]) == ""


def test_of_a_row_counts_what_the_table_gives_back() -> None:
    columns = Rows("seat", "ref", {"version": "bigint", "desk": "integer", "since": "timestamptz"})
    whole = Rows("seat", "ref", {"version": "bigint", "body": "jsonb"})
    written = Write("seat", {"desk": 4, "since": "2026-11-30", "note": "x"})

    kept = columns.kept("a", written)
    assert (kept and kept.values, whole.kept("a", written)) == ({"desk": 4}, written)
    assert columns.kept("a", Write("seat", {"ref": "a/1", "desk": 4})) is None
