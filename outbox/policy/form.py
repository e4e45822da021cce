"""A policy as plain data and back: what JSON, AsyncAPI documents and reports carry. Nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_type_hints

from outbox.errors import ConfigurationError
from outbox.policy.flow import Policy

Data = Mapping[str, object]


def to_data(policy: Policy) -> dict[str, object]:
    """Text, numbers, lists and mappings only; `from_data` gives an equal policy back."""
    plain = _plain(policy)
    assert isinstance(plain, dict)  # noqa: S101 - a policy is a dataclass
    return plain


def from_data(data: Data) -> Policy:
    """Read what `to_data` wrote; `ConfigurationError` names an unknown, absent or ill-typed term."""
    policy = _read(Policy, data, "policy")
    assert isinstance(policy, Policy)  # noqa: S101 - it was asked for one
    return policy


def _plain(value: object) -> object:
    match value:
        case StrEnum():
            return value.value
        case tuple():
            return [_plain(part) for part in value]
        case _ if is_dataclass(value):
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def _read(kind: Any, value: object, where: str) -> object:
    options = get_args(kind)
    if NoneType in options:
        return None if value is None else _read(options[0], value, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if value not in list(kind):
            raise ConfigurationError(f"{where} is {value!r}; it is one of {', '.join(kind)}")
        return kind(str(value))
    if is_dataclass(kind):
        return _read_all(kind, value, where)
    if options:  # the only other one is a tuple of texts
        if not isinstance(value, list | tuple):
            raise ConfigurationError(f"{where} is {value!r}, not a list")
        return tuple(_read(str, part, where) for part in value)
    exact = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not exact and not (kind is float and isinstance(value, int) and not isinstance(value, bool)):
        raise ConfigurationError(f"{where} is {value!r}, not a {kind.__name__}")
    return float(value) if kind is float and isinstance(value, int | float) else value


def _read_all(kind: Any, value: object, where: str) -> object:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is {value!r}, not an object")
    hints = get_type_hints(kind)
    wrong = sorted(set(hints) ^ set(value))
    if wrong:
        raise ConfigurationError(f"{where} has unknown or lacks: {', '.join(wrong)}; write it by to_data")
    return kind(**{name: _read(hint, value[name], f"{where}.{name}") for name, hint in hints.items()})
