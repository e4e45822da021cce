"""Which requests are the same one: the key of a route's requests, sent by the client or derived from a body. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

LONGEST_S = 86_400.0  # keys are kept for a day
MOST_FIELDS = 16
FIELD = re.compile(r"[^\x00-\x1f\x7f.\[\]/]{1,100}")


@dataclass(frozen=True, slots=True, init=False)
class Derived:
    """The key of a request that brings none: a digest of fields of its body, of one caller, for `within_s` seconds.

    `Derived("email", "day", within_s=60)`: of two requests of one caller to one path with equal fields, the second is
    answered as the first was, if it comes within `within_s` of the first; a later one is a request of its own. Fields
    are top-level members of a JSON object, or plain fields of an HTML form, and count byte for byte. A field that is
    missing, empty, null, repeated, nested or longer than 1,024 characters, a body above 64 KiB, and a caller that
    cannot be identified make no key: the request is its own, as without `Derived`. A plan with `caller="anonymous"` for
    such a route is refused: whoever knows the fields would get the first one's answer.

    >>> Derived("email", "day", within_s=60).fields
    ('email', 'day')
    """

    fields: tuple[str, ...]
    within_s: float

    def __init__(self, *fields: str, within_s: float) -> None:
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "within_s", within_s)


KeyRule: TypeAlias = Literal["required", "optional"] | Derived


def key_problems(key: KeyRule, key_field: str) -> Iterable[str]:
    """What contradicts itself in a route's key, each with the fix."""
    if isinstance(key, Derived):
        yield from _derived_problems(key)
    elif key not in ("required", "optional"):
        yield f'has key={key!r}; use "required", "optional" or Derived("field", within_s=60)'
    if key_field and FIELD.fullmatch(key_field) is None:
        yield f"has key_field={key_field!r}; {TOP_LEVEL}"


TOP_LEVEL = "name a top-level field in at most 100 characters, without . [ ] / and control characters"


def _derived_problems(key: Derived) -> Iterable[str]:
    if not 1 <= len(key.fields) <= MOST_FIELDS:
        yield f"derives its key from {len(key.fields)} fields; name 1 to {MOST_FIELDS}"
    if len(set(key.fields)) < len(key.fields):
        yield f"derives its key from a field twice, of {', '.join(map(str, key.fields))}; name each once"
    for field in key.fields:
        if not isinstance(field, str) or FIELD.fullmatch(field) is None:
            yield f"derives its key from {field!r}; {TOP_LEVEL}"
    number = isinstance(key.within_s, int | float) and not isinstance(key.within_s, bool)
    if not number or not 1 <= key.within_s <= LONGEST_S:  # also nan
        yield f"derives a key that holds within_s={key.within_s!r}; give 1 to {LONGEST_S:,.0f} seconds"
