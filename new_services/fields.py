"""Typed fields of a JSON object: read, or refused with the field that is wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from outbox.errors import Undecodable
from strangler.service import Json


def mapping(body: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise Undecodable(f"{name!r} is {kind(value)}, not an object")
    return value


def text(body: Mapping[str, Json], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise Undecodable(f"{name!r} is {kind(value)}, not a text")
    return value


def optional_text(body: Mapping[str, Json], name: str) -> str | None:
    return None if body.get(name) is None else text(body, name)


def one_of(body: Mapping[str, Json], name: str, known: Sequence[str]) -> str:
    value = text(body, name)
    if value not in known:
        raise Undecodable(f"{name!r} is {value[:80]!r}; known: {', '.join(known)}")
    return value


def whole(body: Mapping[str, Json], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Undecodable(f"{name!r} is {kind(value)}, not a whole number")
    return value


def optional_whole(body: Mapping[str, Json], name: str) -> int | None:
    return None if body.get(name) is None else whole(body, name)


def kind(value: Json) -> str:
    return "absent or null" if value is None else type(value).__name__
