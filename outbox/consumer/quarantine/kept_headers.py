"""A record's headers as quarantine stores and shows them: without loss, whatever bytes they are. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from outbox.kafka.headers import RawHeaders

Headers = Sequence[tuple[str, bytes]]


def encoded(headers: Headers) -> Any:
    """As JSON: a list of names and values in base64, a null value as null.

    A third part holds the name, where a database's JSON has no such text. Damaged headers stand there as they are.
    """
    try:
        return [_pair(name, value) for name, value in headers]
    except ValueError:
        if isinstance(headers, RawHeaders):
            return {"damaged": _text(headers.raw)}
        raise


def decoded(stored: Sequence[Sequence[str]] | Mapping[str, str]) -> Headers:
    """What `encoded` was given. `ValueError` if it was never that."""
    if isinstance(stored, Mapping):
        return RawHeaders(base64.b64decode(stored.get("damaged", "")))
    return [_header(*one) for one in stored]


def readable(headers: Headers) -> Headers:
    """The same; none if they are damaged."""
    try:
        return list(headers)
    except ValueError:
        return []


def shown_name(name: str) -> str:
    """For eyes.

    >>> shown_name(b"caf\\xe9".decode("utf-8", "surrogateescape"))
    'caf\\\\xe9'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _pair(name: str, value: bytes | None) -> list[str | None]:
    text = None if value is None else _text(value)
    shown = shown_name(name).replace("\0", "\\x00")
    return [name, text] if shown == name else [shown, text, _text(name.encode("utf-8", "surrogateescape"))]


def _header(name: str, value: str | None, own: str | None = None) -> tuple[str, bytes]:
    called = name if own is None else base64.b64decode(own).decode("utf-8", "surrogateescape")
    # Kafka allows a null value, our types do not: see `outbox.kafka.headers`.
    return called, None if value is None else base64.b64decode(value)  # type: ignore[return-value]


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
