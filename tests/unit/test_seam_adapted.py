"""A step as the seam calls it: whatever its own signature, the subject first, and `key` only where it is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from strangler.errors import BadInput
from strangler.seam.adapted import Adapted, with_version


def first(order: str, extra: int = 0, *, key: str) -> tuple[Any, ...]:
    return order, extra, key


def second(session: str, order: str, vendors: str, extra: int = 0, key: str = "") -> tuple[Any, ...]:
    return session, order, vendors, extra, key


def keyless(session: str, order: str) -> tuple[Any, ...]:
    return session, order


def anything(order: str, **more: Any) -> tuple[Any, ...]:
    return order, more


@pytest.mark.parametrize(
    ("function", "subject", "args", "kwargs", "result"),
    [
        (first, "", ("o",), {}, ("o", 0, "k")),
        (first, "", ("o", 2), {}, ("o", 2, "k")),
        (first, "", (), {"order": "o", "extra": 3}, ("o", 3, "k")),
        (second, "order", ("s", "o", "v"), {}, ("s", "o", "v", 0, "k")),
        (second, "order", ("s", "o"), {"vendors": "v", "extra": 1}, ("s", "o", "v", 1, "k")),
        (second, "order", ("s",), {"order": "o", "vendors": "v"}, ("s", "o", "v", 0, "k")),
        (second, "order", (), {"session": "s", "order": "o", "vendors": "v"}, ("s", "o", "v", 0, "k")),
        (keyless, "order", ("s", "o"), {}, ("s", "o")),
        (anything, "", ("o",), {"a": 1}, ("o", {"a": 1, "key": "k"})),
    ],
)
def test_a_call_reaches_the_function_as_it_was_made(
    function: Callable[..., Any], subject: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: object
) -> None:
    adapted = Adapted.of(function, subject)

    found, others = adapted.taken(args, kwargs)

    assert found == "o"
    assert adapted(found, *others, key="k", **kwargs) == result


def test_what_is_beside_the_subject_is_named_once() -> None:
    assert list(Adapted.of(second, "order").names) == ["session", "vendors", "extra"]
    assert list(Adapted.of(second, "order").needed) == ["session", "vendors"]


def test_a_call_without_its_subject_is_the_callers_error() -> None:
    with pytest.raises(TypeError, match=r"second\(\) was called without order"):
        Adapted.of(second, "order").taken(("s",), {})


@pytest.mark.parametrize(("function", "subject"), [(second, "booking"), (lambda: None, ""), (lambda *, key: key, "")])
def test_a_parameter_that_is_not_there_is_refused_with_those_that_are(
    function: Callable[..., Any], subject: str
) -> None:
    with pytest.raises(BadInput, match="its parameters are"):
        Adapted.of(function, subject)


def test_an_observer_gets_the_version_where_it_asks_for_it() -> None:
    def asks(order: str, result: str, *given: object, version: int) -> object:
        return order, result, given, version

    assert with_version(asks)(3, "o", "r", "more") == ("o", "r", ("more",), 3)
    assert with_version(lambda order, result: (order, result))(3, "o", "r") == ("o", "r")
    assert with_version(lambda order, version: (order, version))(3, "o", "r") == ("o", "r")  # its own second parameter
    assert with_version(max)(3, 1, 2) == 2  # Python tells no signature of it
