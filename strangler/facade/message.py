"""What passes through the facade: a request as it came, and an answer as it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, str]]  # as on the wire: order and duplicates kept, values as Latin-1


class Body(Protocol):
    """A request's body; an empty answer is its end."""

    def read(self, size: int, /) -> bytes: ...


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
    """`target` is the raw request target, byte for byte; `peer` the address it came from."""

    method: str
    target: str
    headers: Headers
    peer: str
    scheme: str
    body: Body


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


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` are end to end. A `body` that is not bytes is streamed, and closed by whoever streams it.

    `cause` is the kind of a problem of the facade's own.
    """

    status: int
    reason: str
    headers: Headers
    body: bytes | Iterable[bytes]
    outcome: RequestOutcome = RequestOutcome.ANSWERED
    cause: str = ""

    @property
    def status_line(self) -> str:
        return f"{self.status} {self.reason or phrase(self.status)}"


def phrase(status: int) -> str:
    """The standard reason phrase, or a word for a status that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unnamed"


def values(headers: Headers, name: str) -> list[str]:
    """Every value of a field, in order; `name` in lower case."""
    return [value for found, value in headers if found.lower() == name]
