"""What a program declares is checked where it is made: each term against its type, before anything is done with it.

A plan and a policy are written by hand, and Python takes any value for any of their terms. What is wrong is told by the
term's name, with the value and what it takes, instead of by a traceback from wherever it is used first.
"""

from __future__ import annotations

import collections.abc
import math
import types
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from reprlib import repr as shown
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from outbox.errors import ConfigurationError

LARGEST = 2**63 - 1  # PostgreSQL's bigint, and far from what a float cannot hold
_NAMES: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    types.NoneType: "None",
}


def check_terms(
    declared: object,
    *,
    error: type[Exception] = ConfigurationError,
    above_zero: Iterable[str] = (),
    from_zero: Iterable[str] = (),
    endless: Collection[str] = (),
    leave: Collection[str] = (),
) -> None:
    """`error` for the first field of a dataclass that is not of its type: `Retry.attempts is '3', a str; give ...`.

    No number is NaN or above a bigint, no text holds a NUL or half a character. Those `above_zero` and `from_zero` must
    be so, and finite unless `endless`; None is no number. Those that `leave` names are judged elsewhere. A list is as
    good as the tuple that it becomes. For `__post_init__`.
    """
    kind: Any = type(declared)
    for name, hint in _hints(kind).items():
        if name not in leave and type(getattr(declared, name)) is list and _takes_tuple(hint):
            object.__setattr__(declared, name, tuple(getattr(declared, name)))
    values = {name: getattr(declared, name) for name in _hints(kind) if name not in leave}
    check_types(kind.__name__, _hints(kind), values, error)
    for names, least in ((above_zero, False), (from_zero, True)):
        for name in names:
            value = values[name]
            finite = value is None or name in endless or math.isfinite(value)
            if not finite or (value is not None and not (value > 0 or (least and value == 0))):
                raise error(f"{kind.__name__}.{name} is {value}; give {_least(name, _hints(kind)[name], least)}")


def _takes_tuple(hint: Any) -> bool:
    return tuple in (get_origin(hint), *(get_origin(one) for one in get_args(hint)))


def _least(name: str, hint: Any, zero: bool) -> str:  # noqa: FBT001 - its one caller has it so
    if zero:
        return "0 or more"
    return (
        "1 or more"
        if hint is int
        else "a time above 0"
        if name.endswith("_s") and "_per_" not in name
        else "a number above 0"
    )


def check_types(
    owner: str, hints: Mapping[str, Any], values: Mapping[str, object], error: type[Exception] = ConfigurationError
) -> None:
    """The same of named values, by their types. The value of a `dsn` is not shown: it holds a password."""
    for name, value in values.items():
        if not _is(value, hints[name]):
            seen = "" if name == "dsn" else f"{shown(value)}, "
            raise error(f"{owner}.{name} is {seen}{_what(value)}; give {takes(hints[name])}")


def takes(hint: Any) -> str:
    """What a term of that type takes, for people.

    >>> takes(int | None), takes(tuple[str, ...])
    ('a whole number or None', 'a tuple of text')
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(takes(one) for one in arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        return f"a tuple of {takes(arguments[0]).removeprefix('a ')}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(f"{hint.__name__}.{one.name}" for one in hint)
    return _NAMES.get(hint) or ("a function" if _is_called(hint) else _article(getattr(origin or hint, "__name__", "")))


def _article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    named = get_type_hints(kind)
    return {one.name: named[one.name] for one in fields(kind) if one.init}


def _is(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_is(value, one) for one in arguments)
    if origin is Literal:
        return type(value) in {type(one) for one in arguments}  # which of them may be, a plan's rules say all at once
    if origin is tuple:
        return isinstance(value, tuple) and all(_is(one, arguments[0]) for one in value)
    if _is_mapping(origin):
        return isinstance(value, Mapping) and all(
            _is(key, arguments[0]) and _is(one, arguments[1]) for key, one in value.items()
        )
    if isinstance(origin, type) and issubclass(origin, Collection):
        return (
            isinstance(value, origin)
            and not isinstance(value, str | bytes)
            and all(_is(one, arguments[0]) for one in value)
        )
    return callable(value) if _is_called(hint) else _is_plain(value, hint)


def _is_plain(value: Any, hint: Any) -> bool:
    if hint is str:
        return type(value) is str and _is_text(value)
    if hint in (int, float):
        whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
        return whole or (hint is float and isinstance(value, float) and not math.isnan(value))
    if not isinstance(hint, type) or (_is_protocol(hint) and not getattr(hint, "_is_runtime_protocol", False)):
        return True  # `Any`, or what only a type checker can tell
    return isinstance(value, hint)


def _is_protocol(hint: Any) -> bool:
    return bool(getattr(hint, "_is_protocol", False))


def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _is_called(hint: Any) -> bool:
    """A function's type, or a protocol that says how something is called."""
    return get_origin(hint) is collections.abc.Callable or (_is_protocol(hint) and "__call__" in vars(hint))


def _is_text(value: str) -> bool:
    try:
        return "\0" not in value and bool(value.encode() or True)
    except UnicodeEncodeError:
        return False


def _what(value: object) -> str:
    """Why it is wrong, where its look does not say so."""
    match value:
        case str() if not _is_text(value):
            return "which no database and no header takes"
        case float() if math.isnan(value):
            return "which is no number"
        case int() if abs(value) > LARGEST:
            return "which is beyond any count"
        case type():
            return "a class"
        case _:
            return f"a {type(value).__name__}"
