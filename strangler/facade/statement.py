"""A statement of the facade's, as its connections prepare it, and what is said to it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

_PLACE = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Statement:
    """`text` has numbered places, in the order of `names`. `name` is a connection's word for it."""

    name: bytes
    text: bytes
    names: tuple[str, ...]

    def placed(self, values: Mapping[str, object]) -> list[object]:
        """The values in the order of their places; `KeyError` for one that is not given."""
        return [values[name] for name in self.names]


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement says: its rows, and how many it read or wrote."""

    rows: Sequence[tuple[Any, ...]] = ()
    count: int = 0


def array(texts: Sequence[str]) -> str:
    """As the server reads `text[]`.

    >>> print(array(["a", 'b,"']), array([]))
    {"a","b,\\""} {}
    """
    escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return "{" + ",".join([f'"{text}"' for text in escaped]) + "}"


def statement(name: str, text: LiteralString) -> Statement:
    """Of a text with named places, as psycopg takes it. The server infers the places' types.

    >>> statement("find", "SELECT %(a)s::text, %(b)s::int, %(a)s")
    Statement(name=b'find', text=b'SELECT $1::text, $2::int, $1', names=('a', 'b'))
    """
    names = tuple(dict.fromkeys(_PLACE.findall(text)))
    numbered = _PLACE.sub(lambda found: f"${names.index(found[1]) + 1}", text)
    return Statement(name.encode(), numbered.encode(), names)
