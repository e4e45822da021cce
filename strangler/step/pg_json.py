"""JSON text that PostgreSQL can store. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from strangler.step.intents import Json

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))  # json.dumps makes one a call
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as json.dumps writes it; an escaped backslash before u0000 is innocent


def encode(value: Mapping[str, Json] | Sequence[Json]) -> str:
    """Compact JSON, or `ValueError`: PostgreSQL refuses NUL and lone surrogates, JSON has no NaN.

    >>> encode({"to": "a"})
    '{"to":"a"}'
    """
    text = _JSON.encode(value)
    text.encode()  # raises on a lone surrogate
    if "\\u0000" in text and _NUL.search(text):
        raise ValueError("a NUL character in a text; PostgreSQL cannot store it")
    return text
