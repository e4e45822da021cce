"""Equality of JSON values: the type is part of the value, the order of keys and the writing of a number are not."""

import itertools
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.reconcile.canonical import MAX_FIELDS, canonical, differences, parse
from strangler.step.intents import Json

DIFFERENT: list[Json] = [
    1,
    "1",
    1.5,
    True,
    None,
    "",
    0,
    False,
    "true",
    "null",
    [],
    {},
    [1],
    ["1"],
    {"1": 1},
    [[1]],
    "i1",
]
SAME: list[tuple[Json, Json]] = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (1.5, Decimal("1.50")),
    (Decimal("3000.0"), Decimal("3000.00")),
    (0.0, Decimal("-0.00")),
    ([1, 2], (1, 2)),
]
NOT_SAME: list[tuple[Json, Json]] = [
    (1, 1.0),
    (True, 1),
    (False, 0),
    ([1, 2], [2, 1]),
    ({"a": None}, {}),
    ("\u00e9", "e\u0301"),
    (Decimal("0.1"), Decimal("0.10000000000000000000000000000000001")),
    (12345678901234567890, 12345678901234567891),
    ({"a": "b,c"}, {"a": "b", "c": ""}),
    (["a,b"], ["a", "b"]),
    (100, Decimal("1e2")),
]


def test_values_of_different_kinds_are_all_different() -> None:
    for left, right in itertools.combinations(DIFFERENT, 2):
        assert canonical(left) != canonical(right), (left, right)


@pytest.mark.parametrize(("left", "right"), SAME)
def test_another_writing_of_the_same_value_is_the_same(left: Json, right: Json) -> None:
    assert canonical(left) == canonical(right)


@pytest.mark.parametrize(("left", "right"), NOT_SAME)
def test_what_python_or_a_careless_encoder_takes_for_equal_is_not(left: Json, right: Json) -> None:
    assert canonical(left) != canonical(right)


def test_digits_survive_parsing() -> None:
    assert canonical(parse("0.12345678901234567890123456789012345")) != canonical(parse("0.1234567890123456789"))
    assert canonical(parse("1.10")) == canonical(1.1)
    assert canonical(parse("1e2")) == canonical(100.0)


def test_values_that_are_no_json_equal_only_their_own_kind() -> None:
    assert canonical(b"1") != canonical("1")
    assert canonical({"a": b"1"}) == canonical({"a": b"1"})


def test_differences_are_named_by_path_and_say_what_was_absent() -> None:
    left = {"total": 1, "note": None, "lines": [{"sku": "a"}, {"sku": "b"}], "same": [1], "short": [1]}
    right = {"total": "1", "lines": [{"sku": "a"}, {"sku": 2}], "same": [1], "short": [1, 2], "more": 0}
    found = {each.path: dict(each.values) for each in differences(left, right)}

    assert found == {
        "total": {"expected": 1, "actual": "1"},
        "note": {"expected": None},
        "lines[1].sku": {"expected": "b", "actual": 2},
        "short": {"expected": [1], "actual": [1, 2]},
        "more": {"actual": 0},
    }


def test_differences_are_bounded() -> None:
    assert len(differences({str(number): number for number in range(100)}, {})) == MAX_FIELDS


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def tagged(value: Json) -> Json:
    """A naive second opinion: Python's own equality, once every value carries its type."""
    match value:
        case dict():
            return {key: tagged(inner) for key, inner in value.items()}
        case list():
            return [tagged(inner) for inner in value]
        case _:
            return (type(value).__name__, value)


@given(values, values)
def test_canonical_texts_are_equal_exactly_for_equal_values(left: Json, right: Json) -> None:
    assert (canonical(left) == canonical(right)) == (tagged(left) == tagged(right))


@given(
    st.dictionaries(st.text(max_size=3), values, max_size=4), st.dictionaries(st.text(max_size=3), values, max_size=4)
)
def test_objects_differ_exactly_where_differences_are_named(left: dict[str, Json], right: dict[str, Json]) -> None:
    assert bool(differences(left, right)) == (canonical(left) != canonical(right))


@given(values)
def test_a_value_survives_its_own_text(value: Json) -> None:
    assert canonical(parse(json.dumps(value))) == canonical(value)
