"""Only JSON that PostgreSQL can store gets through."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.step.intents import Json
from strangler.step.pg_json import encode


@pytest.mark.parametrize("value", ["\0", "a\\\0", "\\\\\0", "\ud800", "a\udfffb"])
def test_text_that_postgresql_refuses_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogate"):
        encode([{"deep": [value]}])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_lacks_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode([value])


@pytest.mark.parametrize("value", ["\\u0000", "\\\\u0000", "u0000", "é €", "\n\t\x01"])
def test_what_only_looks_dangerous_gets_through(value: str) -> None:
    assert json.loads(encode([value])) == [value]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_every_other_text_comes_back_as_it_was(value: str) -> None:
    encoded: Json = json.loads(encode({value: value}))
    assert encoded == {value: value}
