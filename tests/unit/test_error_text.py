"""What is told of an error: the program's own words and its place, whatever the error is made of."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from outbox.consumer.error_text import TEXT_CHARACTERS, calls_of, place_of, text_of

CUSTOMER = json.loads('{"email": "jane.doe@example.com", "card": "4111111111111111"}')


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def unprintable() -> None:
    raise Unprintable


def deep() -> None:
    deep()


def caused() -> None:
    try:
        int(CUSTOMER["email"])
    except ValueError as error:
        raise RuntimeError(CUSTOMER["email"]) from error


def raised(act: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as found:  # noqa: PT011 - any
        act()
    return found.value


def no_customer() -> None:
    raise ValueError(f"no customer {CUSTOMER['email']} of {CUSTOMER['card']}")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: dict[str, str]()["customer"], "'customer'"),
        (lambda: dict[str, str]()[CUSTOMER["email"]], "…"),
        (lambda: json.loads("<html>"), "Expecting value:"),
        (lambda: int(CUSTOMER["email"]), "invalid literal for int() with base …"),
        (lambda: None.missing, "'NoneType' object has no attribute 'missing'"),  # type: ignore[attr-defined] # the point
        (no_customer, "no customer … of …"),
        (caused, "…"),
        (unprintable, "it has no text that can be shown"),
        (deep, "maximum recursion"),
    ],
)
def test_an_errors_own_words_are_told_and_nobody_elses(act: Callable[[], object], said: str) -> None:
    error = raised(act)

    assert text_of(error).startswith(said)
    assert (place_of(error) or "").startswith("test_error_text.py:")
    assert type(error).__name__ in calls_of(error)
    for told in (text_of(error), calls_of(error)):
        assert "jane.doe" not in told
        assert "4111" not in told


@pytest.mark.parametrize("text", ["\0 and \ud800 are no text", "x" * 200_000, "word " * 100_000, ""])
def test_a_text_of_any_length_and_kind_can_be_written_to_a_log(text: str) -> None:
    told = text_of(RuntimeError(text))

    assert len(told.encode()) <= 4 * TEXT_CHARACTERS
    assert told.isprintable()
