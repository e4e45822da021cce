"""The fields of a body that a key may be made of, and the bodies that make none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facade.body_fields import (
    BODY_BYTES,
    KEY_FORM_FIELDS,
    Fields,
    form_fields,
    json_fields,
    single,
    values_in_form,
)

JSON = [("Content-Type", "application/json")]
FORM = [("content-type", "application/x-www-form-urlencoded; charset=UTF-8")]
PARTS = [("Content-Type", 'multipart/form-data; boundary="b 1"')]
FILE = (
    b'--b 1\r\nContent-Disposition: form-data; name="email"\r\n\r\nann@x\r\nb\r\n'
    b'--b 1\r\ncontent-disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    b"\xff\x00\r\n--b 1--\r\n"
)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"day": "2026-01-01", "desk": 7}', {"day": ['"2026-01-01"'], "desk": ["7"]}),
        (b'{"a": true, "b": null, "c": 1.0}', {"a": ["true"], "b": [""], "c": ["1.0"]}),
        (b'{"a": "", "b": NaN, "c": -Infinity, "d": 1e999}', {"a": [""], "b": [""], "c": [""], "d": [""]}),
        (b'{"a": 1, "a": 2}', {"a": ["1", "2"]}),
        (b'{"a": {"b": 1}, "c": [1]}', {"a": [""], "c": [""]}),
        (b"[1]", {}),
        (b"[[1, 2]]", {}),
        (b"{", {}),
        (b'{"a": "\xff"}', {}),
        (b"[" * 100_000, {}),
        (b'{"a": ' + b"1" * 5000 + b"}", {}),
        (b"", {}),
    ],
)
def test_the_members_of_an_object_are_its_fields(body: bytes, found: Fields) -> None:
    assert json_fields(JSON, body) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"email=ann%40x&day=1", {"email": ["ann@x"], "day": ["1"]}),
        (b"a=1&a=2&b=", {"a": ["1", "2"], "b": [""]}),
        (b"a=%FF", {}),
        (b"&".join(b"a%d=1" % number for number in range(201)), {}),
    ],
)
def test_a_form_has_text_fields(body: bytes, found: Fields) -> None:
    assert form_fields(FORM, body) == found
    assert json_fields(FORM, body) == {}


def test_a_form_in_parts_has_its_text_fields_and_no_files() -> None:
    assert form_fields(PARTS, FILE) == {"email": ["ann@x\r\nb"]}


@pytest.mark.parametrize(
    "body",
    [
        FILE.removesuffix(b"--\r\n"),
        FILE.replace(b"--b 1", b"--b 2"),
        b"preamble\r\n" + FILE,
        FILE.replace(b"ontent-Disposition", b"ontent-Position", 1),
        FILE.replace(b"ann", b"\xff"),
        b"--b 1\r\n--b 1--",
        b"",
    ],
)
def test_what_is_no_form_in_parts_has_no_fields(body: bytes) -> None:
    assert form_fields(PARTS, body) == {}


LATIN = [("Content-Type", "application/x-www-form-urlencoded; charset=iso-8859-1")]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (FORM, b"key=k-1&note=" + b"x" * BODY_BYTES),
        (FORM, b"&".join([*(b"a%d=1" % number for number in range(KEY_FORM_FIELDS - 1)), b"key=k-1"])),
        (FORM, b"note=%FF&key=k-1"),
        (FORM, b"note=\xff&key=k-1"),
        (LATIN, b"note=%FF&key=k-1"),
        (PARTS, FILE.replace(b'"email"', b'"key"').replace(b"ann@x\r\nb", b"k-1").replace(b"a.png", b"\xff.png")),
    ],
)
def test_a_key_is_found_in_a_form_of_any_size_and_beside_any_octets(
    headers: list[tuple[str, str]], body: bytes
) -> None:
    assert values_in_form(headers, body, "key") == ["k-1"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (FORM, b"&".join([b"key=k-1", *(b"a%d=1" % number for number in range(KEY_FORM_FIELDS))])),
        (PARTS, b"preamble\r\n" + FILE),
        ([*FORM, ("Content-Encoding", "gzip")], b"key=k-1"),
        ([*FORM, *FORM], b"key=k-1"),
        ([("Content-Type", "application/x-www-form-urlencoded; charset=utf-16")], "key=k-1".encode("utf-16")),
        ([("Content-Type", "application/x-www-form-urlencoded; charset=none-such")], b"key=k-1"),
    ],
)
def test_a_form_that_cannot_be_read_is_told_from_one_without_a_key(headers: list[tuple[str, str]], body: bytes) -> None:
    assert values_in_form(headers, body, "key") is None


def test_a_form_without_the_field_and_what_is_no_form_have_no_value_of_it() -> None:
    assert values_in_form(FORM, b"a=1", "key") == values_in_form(PARTS, b"", "key") == []
    assert values_in_form(JSON, b'{"key": "k-1"}', "key") == []


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Content-Type", "text/plain")],
        [("Content-Type", "application/json; charset=utf-16")],
        [*JSON, *JSON],
        [*JSON, ("Content-Encoding", "gzip")],
        [("Content-Type", "multipart/form-data")],
    ],
)
def test_a_body_of_another_kind_has_no_fields(headers: list[tuple[str, str]]) -> None:
    assert json_fields(headers, b'{"a": 1}') == form_fields(headers, b'{"a": 1}') == {}


def test_a_body_above_the_limit_is_not_parsed() -> None:
    assert json_fields(JSON, b'{"a": 1}'.ljust(BODY_BYTES))
    assert json_fields(JSON, b'{"a": 1}'.ljust(BODY_BYTES + 1)) == {}


@pytest.mark.parametrize("found", [[], [""], ["1", "1"], ["x" * 1025]])
def test_a_field_that_is_not_one_short_value_is_none(found: list[str]) -> None:
    assert single({"a": found}, "a") is None
    assert single({"a": ["x" * 1024]}, "a") == "x" * 1024


@given(st.binary(max_size=200), st.sampled_from([JSON, FORM, PARTS]))
def test_no_body_breaks_it(body: bytes, headers: list[tuple[str, str]]) -> None:
    for found in (json_fields(headers, body), form_fields(headers, body)):
        assert all(isinstance(value, str) for each in found.values() for value in each)
