"""Two answers to one read are the same where they say the same, and what differs is named by its place."""

from __future__ import annotations

import gzip
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.reads.canonical import (
    LONGEST_PLACE,
    ReadAnswer,
    StillCoded,
    TooManyPlaces,
    places,
    shape,
    spoken_place,
    uncoded,
)
from strangler.reads.compare import LEARNED_FROM, Noise, differing, unexplained

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def said(body: str | bytes, media: str = "application/json", status: int = 200, **fields: str) -> dict[str, str]:
    raw = body.encode() if isinstance(body, str) else body
    return places(ReadAnswer(status, [("Content-Type", media), *fields.items()], raw), ["ETag"])


def shuffled(value: Any, draw: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        draw.shuffle(keys)
        return {key: shuffled(value[key], draw) for key in keys}
    return [shuffled(one, draw) for one in value] if isinstance(value, list) else value


@given(values, values, st.randoms(use_true_random=False))
def test_bodies_are_the_same_exactly_where_their_values_are(one: Any, other: Any, draw: random.Random) -> None:
    assert said(json.dumps(one)) == said(json.dumps(shuffled(one, draw), indent=2))
    alike = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (said(json.dumps(one)) == said(json.dumps(other))) == alike


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ('{"a": 1}', '{"a": 1.0}', []),
        ('{"a": 1e2}', '{"a": 100}', []),
        ('{"a": 0.1}', '{"a": 0.1000000000000000055}', ["$.a"]),
        ('{"a": 1}', '{"a": "1"}', ["$.a"]),
        ('{"a": 1}', '{"a": true}', ["$.a"]),
        ('{"a": null}', "{}", ["$", "$.a"]),
        ('{"a": []}', '{"a": {}}', ["$.a"]),
        ('{"a": {"b": 1}}', '{"a.b": 1}', ["$.a.b", '$["a.b"]']),
        ('{"a": [1]}', '{"a[0]": 1}', ["$.a[0]", '$["a[0]"]']),
        ("[1, 2]", "[2, 1]", ["$[0]", "$[1]"]),
        ("not json", "not json", []),
        ("not json", "nor this", ["body"]),
    ],
)
def test_places_that_differ(one: str, other: str, found: list[str]) -> None:
    assert sorted(differing(said(one), said(other))) == found


def test_status_and_the_named_headers_are_compared_and_no_other() -> None:
    assert differing(said("1", status=200), said("1", status=201)) == ["status"]
    assert differing(said("1", ETag="a"), said("1", ETag="b")) == ["header etag"]
    assert differing(said("1", Date="a"), said("1", Date="b")) == []
    assert differing(said("<a>", "text/html"), said("<a>", "text/html")) == []


def test_a_deep_body_is_compared_by_its_bytes() -> None:
    assert list(said("[" * 100_000)) == ["status", "header etag", "body"]


def test_keys_that_may_be_a_customers_are_not_named() -> None:
    place = next(one for one in said('{"by": {"ann@example.invalid": [{"sum": 1}]}}') if one.startswith("$"))
    assert spoken_place(place) == "$.by[*][].sum"
    assert [shape(text) for text in ('"secret"', "12.5", "null", "{}", None)] == [
        "text of 6",
        "other",
        "null",
        "{}",
        "missing",
    ]


def test_gzip_is_read_and_every_other_coding_is_not() -> None:
    assert uncoded(gzip.compress(b"body"), "gzip", 100) == b"body"
    assert uncoded(b"body", "", 100) == b"body"
    for body, coding in ((b"body", "br"), (b"body", "gzip"), (gzip.compress(bytes(1_000_000)), "gzip")):
        with pytest.raises(StillCoded):
            uncoded(body, coding, 100)


def test_noise_is_what_legacy_says_differently_more_than_once() -> None:
    noise = Noise()
    assert noise.learn({"$.id": "1", "$.a": "1"}, {"$.id": "2", "$.a": "2"}) == []
    assert noise.learn({"$.id": "3", "$.a": "2"}, {"$.id": "4", "$.a": "2"}) == ["$.id"]
    assert noise.learn({"$.id": "5"}, {"$.id": "6"}) == [], "it is known"
    assert ("$.id" in noise, "$.a" in noise, noise.places) == (True, False, ["$.id"])
    for _ in range(LEARNED_FROM):
        noise.learn({}, {})
    assert not noise.learning
    assert noise.learn({"$.b": "1"}, {"$.b": "2"}) == []
    assert "$.b" not in noise, "later differences are forgiven one by one"


def test_what_legacy_does_not_say_twice_explains_a_difference_there_and_nowhere_else() -> None:
    first, second = {"$.at": "1", "$.sum": "5"}, {"$.at": "2", "$.sum": "5"}
    assert unexplained({"$.at": "3", "$.sum": "6"}, first, second) == ["$.sum"]
    assert unexplained({"$.at": "1", "$.sum": "5"}, first, None) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"status": "200", "$.a": "1"}, {"status": "429", "$.error": "1"}),
        ({"status": "200", "$.a": "1"}, None),
        ({"status": "200", "body": "1"}, {"status": "200", "body": "2"}),
        ({"status": "200", "$": "[]"}, {"status": "200", "$": "1"}),
    ],
)
def test_an_answer_of_another_kind_teaches_no_noise(first: dict[str, str], second: dict[str, str] | None) -> None:
    noise = Noise()
    for _ in range(LEARNED_FROM):
        assert noise.learning
        assert noise.learn(first, second) == []
    assert (noise.places, noise.learning) == ([], False)


def test_a_place_is_no_longer_than_a_key_of_a_table_may_be() -> None:
    long = [f"$.{'.'.join(['k' * 39] * 80)}.{end}" for end in "ab"]
    spoken = {spoken_place(one) for one in long}
    assert len(spoken) == 2
    assert {len(one) for one in spoken} == {LONGEST_PLACE}


def test_what_would_be_too_large_taken_apart_is_not_taken_apart() -> None:
    depth = 100
    deep = f'{{"{"k" * 40}":' * depth + f"[{','.join('0' * 12_000)}]" + "}" * depth
    with pytest.raises(TooManyPlaces):
        said(deep)
    assert len(said(json.dumps([{"id": n, "sku": f"s{n}", "n": n} for n in range(17_000)]))) == 51_002
