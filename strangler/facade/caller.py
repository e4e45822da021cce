"""The scope of an Idempotency-Key: its caller, identified by what the plan names. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from strangler.facade.message import Headers
from strangler.routes import ANONYMOUS, COOKIE, HEADER, Callers, NameOf, listed

ANONYMOUS_SCOPE = ANONYMOUS  # all who need not say who they are share it; references are minted from it
UNKNOWN_SCOPE = "unknown"  # the caller cannot be identified: claimed, and never replayed
AUTHORIZATION = "authorization"

_COOKIE_VALUE = re.compile(r'(?:"(?:[^"\\]|\\.)*")?[^;]*')

Part = tuple[str, str, str]  # kind, name, value


@dataclass(frozen=True, slots=True)
class CallerFailed:
    """The plan's function did not answer. `error` names the exception, without its text, which may hold a secret."""

    error: str


def scope_of(callers: Callers, headers: Headers, key: str) -> str | CallerFailed:
    """The scope of a key: one caller, all anonymous callers, or all that cannot be identified.

    A caller's scope is a digest of what identifies it, salted with the key: no secret is stored, and rows of one
    caller cannot be linked. Values count byte for byte, repeated ones in their order; empty ones do not count.

    >>> scope_of("anonymous", [], "k"), scope_of("cookie:session", [], "k")
    ('anonymous', 'unknown')
    """
    rules = listed(callers)
    names = [_name(rule, headers) for rule in rules if callable(rule)]
    failed = next((name for name in names if isinstance(name, CallerFailed)), None)
    if failed is not None:
        return failed
    parts = [("function", str(number), str(name)) for number, name in enumerate(names) if name]
    for rule in _read(tuple(rule for rule in rules if isinstance(rule, str)), named=bool(parts)):
        parts += [(*_kind_and_name(rule), value) for value in _values(rule, headers)]
    if parts:
        return _digest(key, parts)
    return ANONYMOUS_SCOPE if ANONYMOUS in rules else UNKNOWN_SCOPE


def other_scopes(scope: str) -> tuple[str, ...]:
    """Scopes in which the same caller may have claimed the key without being identified.

    A plan may begin to name callers, and a caller may log in between two attempts.
    """
    if scope == ANONYMOUS_SCOPE:
        return ()
    return (ANONYMOUS_SCOPE,) if scope == UNKNOWN_SCOPE else (ANONYMOUS_SCOPE, UNKNOWN_SCOPE)


def carries(caller: str, headers: Headers) -> bool:
    """Whether a request has what a plan names, "header:NAME" or "cookie:NAME".

    >>> carries("header:X-Partner", [("x_partner", "a")]), carries("cookie:s", [("Cookie", "s=")])
    (True, False)
    """
    return bool(_values(caller, headers))


def caller_fields(callers: Callers) -> frozenset[str]:
    """The header fields that a plan names, in lower case: the application may need them to know the caller."""
    return frozenset(
        rule.removeprefix(HEADER).lower()
        for rule in listed(callers)
        if isinstance(rule, str) and rule.startswith(HEADER)
    )


def fields(headers: Headers, name: str) -> list[str]:
    """Every value of a field that is not empty. `X_A` counts as `X-A`: a WSGI server may hand it over as that."""
    wanted = _folded(name)
    stripped = [value.strip() for found, value in headers if _folded(found) == wanted]
    return [value for value in stripped if value]


def cookies(headers: Headers, name: str) -> list[str]:
    """Every value of a cookie that is not empty, in order, without the quotes around it.

    A `;` between quotes ends no value, or two sessions that differ behind it would be one.

    >>> cookies([("Cookie", 'a=1; s="x;y"'), ("cookie", "s=z; S=no")], "s")
    ['x;y', 'z']
    """
    start = re.compile(rf"(?:^|;)[ \t]*{re.escape(name)}[ \t]*=[ \t]*")
    found: list[str] = []
    for line in fields(headers, "cookie"):
        found += [_cookie_value(line, match.end()) for match in start.finditer(line)]
    return [value for value in found if value]


def unambiguous(texts: Sequence[str]) -> bytes:
    """Each text with its length in front: no two lists of texts are written alike.

    >>> unambiguous(["a", "bc"])
    b'1:a2:bc'
    """
    octets = [text.encode("utf-8", "surrogatepass") for text in texts]
    return b"".join(b"%d:%b" % (len(each), each) for each in octets)


class CallerHeaders(Mapping[str, str]):
    """A request's fields by name in any letter case; repeated ones are joined by ", " (RFC 9110 section 5.3)."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        found = [value for given, value in self._headers if _folded(given) == _folded(name)]
        if not found:
            raise KeyError(name)
        return ", ".join(found)

    def __iter__(self) -> Iterator[str]:
        return iter({_folded(name): name for name, _ in self._headers}.values())

    def __len__(self) -> int:
        return len({_folded(name) for name, _ in self._headers})


def _name(rule: NameOf, headers: Headers) -> str | CallerFailed | None:
    try:
        name = rule(CallerHeaders(headers))
    except Exception as error:  # noqa: BLE001 - a team's own code: the request is refused, and the error named
        return CallerFailed(type(error).__name__)
    return name if name is None or isinstance(name, str) else CallerFailed(f"returned {type(name).__name__}")


@lru_cache(maxsize=256)
def _read(rules: tuple[str, ...], *, named: bool) -> list[str]:
    """Which fields and cookies are, in an order that is not the plan's: that does not matter."""
    declared = {*rules} | (set() if named else {HEADER + AUTHORIZATION})
    return sorted({_canonical(rule) for rule in declared})


def _canonical(rule: str) -> str:
    return _folded(rule) if rule.startswith(HEADER) else rule


def _kind_and_name(rule: str) -> tuple[str, str]:
    kind, _, name = rule.partition(":")
    return kind, name


def _values(rule: str, headers: Headers) -> list[str]:
    kind, name = _kind_and_name(rule)
    if kind + ":" == COOKIE:
        return cookies(headers, name)
    return fields(headers, name) if kind + ":" == HEADER else []


def _cookie_value(line: str, begin: int) -> str:
    found = _COOKIE_VALUE.match(line, begin)
    value = found[0].strip() if found else ""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")


def _digest(key: str, parts: list[Part]) -> str:
    written = unambiguous([key, *(text for part in parts for text in part)])
    return hashlib.blake2b(written, digest_size=32, person=b"strangler-caller").hexdigest()
