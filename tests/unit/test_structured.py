"""RFC 9651 dictionaries, as far as the headers use them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.errors import Undecodable
from outbox.structured import format_dictionary, parse_dictionary

KEYS = st.from_regex(r"[a-z*][a-z0-9_\-.*]{0,20}", fullmatch=True)
INTEGERS = st.integers(-(10**15) + 1, 10**15 - 1)
PRINTABLE = st.text(string.ascii_letters + string.digits + string.punctuation + " ", max_size=40)
DICTIONARIES = st.dictionaries(KEYS, INTEGERS | PRINTABLE | st.booleans(), max_size=8)


@given(DICTIONARIES)
def test_what_was_written_is_read(members: dict[str, int | str | bool]) -> None:
    read = parse_dictionary(format_dictionary(members))

    assert read == members
    assert [type(value) for value in read.values()] == [type(value) for value in members.values()]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        members = parse_dictionary(text)
    except Undecodable:
        return
    assert parse_dictionary(format_dictionary(members)) == members


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("", {}),
        ("   ", {}),
        ("a=1", {"a": 1}),
        ("a=-7", {"a": -7}),
        ("a=?1, b=?0, c", {"a": True, "b": False, "c": True}),
        ("a=tok/en:x,\tb=*", {"a": "tok/en:x", "b": "*"}),
        (r'a="say \"hi\" \\ there"', {"a": r'say "hi" \ there'}),
        ('a=""', {"a": ""}),
        ("a=1, b=2, a=3", {"a": 3, "b": 2}),
    ],
)
def test_the_examples_of_the_rfc_that_concern_us(text: str, members: dict[str, object]) -> None:
    assert parse_dictionary(text) == members


@pytest.mark.parametrize(
    "text",
    [
        *("a=1,", ",a=1", "a=1 b=2", "A=1", "a=", "a=1.5", "a=1234567890123456", 'a="open', 'a="\x7f"', "a=?2"),
        *("a=(1 2)", "a=1;q=2", "a=\u0663", "a=:aGk=:", "=1", "a==1", "a=tok\u00e9"),
    ],
)
def test_what_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(Undecodable):
        parse_dictionary(text)


@pytest.mark.parametrize("members", [{"a": "caf\u00e9"}, {"a": "two\nlines"}, {"A": 1}, {"": 1}, {"a": 10**15}])
def test_what_cannot_travel_is_not_written(members: dict[str, int | str | bool]) -> None:
    with pytest.raises(ValueError, match=r"RFC 9651|structured field"):
        format_dictionary(members)
