"""Digests of intents: a claim keeps them, so that what was planned and got lost differs from what was never wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b

from strangler.step.intents import Json

NOT_HELD = "-"  # in a digest's place: nobody can read again what became of the intent
BYTES = 8  # against loss and change by accident, not against forgery


def digest(intent: Mapping[str, Json]) -> str:
    """Of one intent's stored form, behind its kind's letter: equal before PostgreSQL has kept it as jsonb and after.

    >>> digest({"kind": "call", "target": "mail.send", "body": {"to": "a", "cents": 250}})
    'c73fc2c80ca39e6a1'
    """
    stored = json.dumps(intent)  # with every key a text, which is what decides their order
    # jsonb keeps 1e+16 as 10000000000000000, and -0.0 as 0.0
    is_kept_otherwise = "e+" in stored or "-0.0" in stored
    text = _text(json.loads(stored, parse_float=_as_kept if is_kept_otherwise else None))
    return str(intent["kind"])[0] + blake2b(text.encode(), digest_size=BYTES).hexdigest()


def digests(intents: Sequence[Mapping[str, Json] | None]) -> str:
    """Of an event's intents in their order, as a claim keeps them: "" where the step wanted nothing. None: not held."""
    return " ".join(NOT_HELD if intent is None else digest(intent) for intent in intents)


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _as_kept(text: str) -> float | int:
    number = Decimal(text)
    if "e+" in text:
        return int(number)
    return float(text) or 0.0
