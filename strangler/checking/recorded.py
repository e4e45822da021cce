"""Recorded events for `strangler check --event`: read, and refused in words where they are none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from strangler.errors import BadInput

FORM = 'write {"type": "BookingMade", "payload": {...}}, one of them, a list, or one a line'


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event's type and payload; `result`: what the legacy step returned for it, where somebody knows."""

    type: str
    payload: Mapping[str, Any]
    result: Any = None


def read_recorded(text: str, source: str) -> list[Recorded]:
    """The events of a text; `BadInput` says which is none."""
    found = [_recorded(one, f"{source}, event {number}") for number, one in enumerate(_values(text, source), start=1)]
    if not found:
        raise BadInput(f"{source} holds no event; {FORM}")
    return found


def _values(text: str, source: str) -> Iterator[object]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        for number, line in enumerate(text.split("\n"), start=1):  # JSON may hold what `splitlines` takes for an end
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadInput(f"{source}, line {number} is no JSON: {error}; {FORM}") from error
        return
    yield from whole if isinstance(whole, list) else [whole]


def _recorded(value: object, place: str) -> Recorded:
    if not isinstance(value, dict):
        raise BadInput(f"{place} is a {type(value).__name__}, no object; {FORM}")
    kind, payload = value.get("type"), value.get("payload")
    if not isinstance(kind, str) or not kind or not isinstance(payload, dict):
        lacking = "type (a text)" if not isinstance(kind, str) or not kind else "payload (an object)"
        raise BadInput(f"{place} has no {lacking}; {FORM}")
    return Recorded(kind, payload, value.get("result"))
