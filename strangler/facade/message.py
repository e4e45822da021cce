"""What passes through the facade: a request as it came, and an answer as it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, str]]  # as on the wire: order and duplicates kept, values as Latin-1


class Body(Protocol):
    """A request's body, in pieces as they come; an empty one is its end."""

    async def read(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Framing:
    """How long a request's body is: `length` bytes, or until the last chunk, or nothing."""

    length: int | None = None
    chunked: bool = False

    @property
    def empty(self) -> bool:
        return not self.chunked and not self.length


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is the raw request target, byte for byte; `peer` the address it came from.

    `body` is the whole one, where it is read before the request goes on. `degrade`: what the application may leave out.
    """

    method: str
    target: str
    headers: Headers
    peer: str
    scheme: str
    body: bytes = b""
    degrade: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it goes on: `headers` are without framing, a `body` that is not bytes is streamed."""

    method: str
    target: str
    headers: Headers
    body: bytes | Body = b""
    framing: Framing = Framing()


class RequestOutcome(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"  # by the application
    NOT_TAKEN = "not_taken"  # the application answers an owned request that it has not taken it on
    REPLAYED = "replayed"  # the first answer, again
    FOUND = "found"  # the answer was lost, and is made of the subject that was found
    REFUSED = "refused"  # a problem of the facade's own; nothing was done
    UNKNOWN = "unknown"  # nobody can tell what was done: a problem of the facade's own, or a gateway's answer passed on
    OWN = "own"  # asked of the facade itself
    ERROR = "error"  # a mistake of the facade's


class Streamed(Protocol):
    """An answer on its way from the application. `close` in any case: a connection of the application's is held."""

    @property
    def uploading(self) -> bool:
        """The request's body is still on its way."""

    def ready(self) -> tuple[bytes, bool]:
        """What of it is there already, and whether that is its end."""

    async def read(self) -> bytes:
        """The next piece; an empty one is its end."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` are end to end. A `body` that is not bytes is streamed, and closed by whoever streams it.

    `cause` is the kind of a problem of the facade's own.
    """

    status: int
    reason: str
    headers: Headers
    body: bytes | Streamed
    outcome: RequestOutcome = RequestOutcome.ANSWERED
    cause: str = ""


def phrase(status: int) -> str:
    """The standard reason phrase, or a word for a status that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unnamed"


def values(headers: Headers, name: str) -> list[str]:
    """Every value of a field, in order; `name` in lower case."""
    return [value for found, value in headers if found.lower() == name]


def options(headers: Headers, name: str) -> list[str]:
    """The members of a field that is a list, in lower case; `name` in lower case."""
    return members(values(headers, name))


def members(lists: Sequence[str]) -> list[str]:
    """Of a field's values that are lists, in lower case.

    >>> members(["Close, x", "", " y"])
    ['close', 'x', 'y']
    """
    if not lists:
        return []
    return [member for value in lists for part in value.split(",") if (member := part.strip(" \t").lower())]


def by_name(headers: Headers) -> dict[str, list[str]]:
    """Every value of every field, in order, by the name in lower case: for who asks for several."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found
