"""Equality of JSON values, with the type in it: 1, 1.0, "1" and true are four values; the order of keys is none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from strangler.step.intents import Json

MAX_FIELDS = 20  # a finding names so many differing fields; the rest is in the two systems


def parse(text: str) -> Json:
    """JSON text; fractions become Decimal, so that no digit is lost before the comparison."""
    return json.loads(text, parse_float=Decimal)


def canonical(value: Json) -> str:  # noqa: PLR0911 - one return per JSON type
    """Equal texts for equal values and for no others. Fractions are compared by value: 3.0 is 3.00, never 3.

    >>> canonical({"b": 1, "a": [1.0, "1", True, None]})
    '{s"a":[d1,s"1",true,null],s"b":i1}'
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return f"i{int(value)}"
        case float() | Decimal():
            return f"d{_fraction(value)}"
        case str():
            return f"s{json.dumps(value)}"
        case Mapping():
            members = sorted(f"{canonical(key)}:{canonical(item)}" for key, item in value.items())
            return "{" + ",".join(members) + "}"
        case list() | tuple():
            return "[" + ",".join(canonical(item) for item in value) + "]"
        case _:  # no JSON: a reader let it through; it equals only its own kind
            return f"?{type(value).__name__}{json.dumps(str(value))}"


@dataclass(frozen=True, slots=True)
class Difference:
    """A path with its values: `{"expected": ..., "actual": ...}`, a side left out where the field is absent."""

    path: str
    values: Mapping[str, Json]


def differences(expected: Mapping[str, Json], actual: Mapping[str, Json]) -> tuple[Difference, ...]:
    """What differs, at most `MAX_FIELDS` of it. A field that is absent differs from one that is null.

    >>> [each.path for each in differences({"a": None, "b": {"c": 1}, "d": 2}, {"b": {"c": "1"}, "d": 2})]
    ['a', 'b.c']
    """
    return tuple(islice(_differences("", expected, actual), MAX_FIELDS))


def _fraction(value: float | Decimal) -> str:
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite():
        return str(number)
    if number == 0:
        return "0"
    sign, digits, exponent = number.as_tuple()  # by hand: normalize() would round to the context's precision
    text = "".join(map(str, digits))
    kept = text.rstrip("0")
    power = int(exponent) + len(text) - len(kept)
    return f"{'-' if sign else ''}{kept}" + (f"e{power}" if power else "")


def _differences(path: str, expected: Json, actual: Json) -> Iterator[Difference]:
    if canonical(expected) == canonical(actual):
        return
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        yield from _members(path, expected, actual)
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
            yield from _differences(f"{path}[{index}]", left, right)
    else:
        yield Difference(path, {"expected": expected, "actual": actual})


def _members(path: str, expected: Mapping[str, Json], actual: Mapping[str, Json]) -> Iterator[Difference]:
    for name in sorted({*expected, *actual}, key=str):
        inner = f"{path}.{name}" if path else str(name)
        if name in expected and name in actual:
            yield from _differences(inner, expected[name], actual[name])
        else:
            sides = {"expected": expected, "actual": actual}
            yield Difference(inner, {side: values[name] for side, values in sides.items() if name in values})
