"""A made-up event: of the columns that are known, and of what `decide` asks for beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from outbox.event import Event
from strangler.step.intents import Intent

MOST_TRIES = 300
AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
_NUMBER = re.compile(r"(^|_)(id|cents|total|amount|price|quantity|qty|count|number|minutes|seconds|n)$")
_LIST = re.compile(r"^(items|lines|rows|entries|positions|products)$")
_VALUES: Mapping[type, Any] = {
    bool: True,
    int: 7,
    float: 12.5,
    Decimal: Decimal("12.50"),
    datetime: AT,
    date: AT.date(),
    time: AT.timetz(),
    bytes: b"made up",
}


class NotTried(Exception):
    """No made-up event satisfies `decide`; the text is its error."""


def of_type(name: str, kind: type | None) -> Any:
    """A value for a field of that name; `kind` None is a guess by the name.

    >>> of_type("total_cents", None), of_type("email", None), of_type("email", int)
    (7, 'ann@example.invalid', 7)
    """
    for known, value in _VALUES.items():
        if kind is not None and kind.__name__ == known.__name__:
            return value
    if kind in (dict, list):
        return kind()
    if kind is None and _NUMBER.search(name):
        return 7
    if kind is None and _LIST.match(name):
        return [{}]
    if "email" in name or name in ("to", "mail"):
        return "ann@example.invalid"
    return AT.date().isoformat() if name in ("day", "date") or name.endswith("_on") else f"{name}-1"


def event_of(subject: str, kind: str, payload: Mapping[str, Any]) -> Event:
    """As the outbox would have it: version 1 of `SUBJECT-made-up`."""
    return Event(subject, f"{subject}-made-up", 1, kind, json.dumps(payload, default=in_json).encode())


def in_json(value: Any) -> Any:
    """What an application writes for a value that JSON does not have."""
    return value.isoformat() if isinstance(value, date | time) else str(value)


@dataclass(slots=True)
class MadeUp:
    """`payload` grows by what `decide` asks for; `guessed`: values still to be tried, for each guessed field."""

    payload: dict[str, Any]
    guessed: dict[str, list[Any]] = field(default_factory=dict)

    def decided(self, decide: Callable[[Event], Sequence[Intent]], subject: str, kind: str) -> Sequence[Intent]:
        """What `decide` makes of it, once it has all it asks for; `NotTried` where nothing fits."""
        first: BaseException | None = None  # since the last field that was added: later ones are about worse values
        for _ in range(MOST_TRIES):
            try:
                return decide(event_of(subject, kind, self.payload))
            except KeyError as missing:
                name = missing.args[0] if missing.args else None
                if not isinstance(name, str) or not self._added(name):
                    first = first or missing
                    break
                first = None
            except (Exception, SystemExit) as unfit:  # noqa: BLE001 - of the team's code
                first = first or unfit
                if not self._other_value():
                    break
        said = "it asks for more and more" if first is None else f"{type(first).__name__}: {first}"
        raise NotTried(said) from first

    def _added(self, name: str) -> bool:
        places = [self.payload] if name not in self.payload else list(_inner(self.payload, name))
        for place in places:
            place[name] = of_type(name, None)
        if places and places[0] is self.payload:
            others: list[Any] = [7, "text", {}, [{}]]
            self.guessed[name] = [other for other in others if type(other) is not type(self.payload[name])]
        return bool(places)

    def _other_value(self) -> bool:
        """The next value for what was guessed last: it is what the error is most likely about."""
        for name in reversed(self.guessed):
            if self.guessed[name]:
                self.payload[name] = self.guessed[name].pop(0)
                return True
        return False


def _inner(value: Any, name: str) -> Sequence[dict[str, Any]]:
    """The objects inside of it that lack the name."""
    inside: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    within = list(inside)
    found: list[dict[str, Any]] = [value for value in within if isinstance(value, dict) and name not in value]
    if found:
        return found
    return [each for value in within for each in _inner(value, name)]
