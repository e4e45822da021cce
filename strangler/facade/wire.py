"""What readers make of the bytes of a connection, and how a head is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from strangler.facade.message import Framing, Headers
from strangler.facade.problem import Problem

MOST_FIELDS = 1_000
REQUEST_HEAD_BYTES = 64 * 1024
TARGET_BYTES = 8 * 1024  # it is read in up to 256 ways: 14 ms for the worst of this length, 133 ms for one of 64 KiB
RESPONSE_HEAD_BYTES = 256 * 1024

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_CRLF = re.compile(r"[\r\n]")


class MessageEnd(Enum):
    """A message is complete."""

    ENDED = "ended"


ENDED = MessageEnd.ENDED


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request up to its body. `keeps`: the client wants to use the connection again."""

    method: str
    target: str
    headers: Headers
    framing: Framing
    http_1_1: bool
    keeps: bool
    expects_continue: bool = False


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A response up to its body, or one of those before it (`status` below 200). `dropped`: names that were none."""

    status: int
    reason: str
    headers: Headers
    dropped: tuple[str, ...] = ()


RequestEvent: TypeAlias = RequestHead | bytes | MessageEnd | Problem
ResponseEvent: TypeAlias = ResponseHead | bytes | MessageEnd


def written(start: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A head. Whatever stands in it makes no second line."""
    lines = [start, *[f"{name}: {value}" for name, value in headers]]
    text = "\r\n".join(lines)
    if text.count("\r") + text.count("\n") != 2 * (len(lines) - 1):
        text = "\r\n".join(_CRLF.sub(" ", line) for line in lines)
    return f"{text}\r\n\r\n".encode("latin-1", "replace")


def chunk(piece: bytes) -> bytes:
    """A piece of a body as one chunk; an empty one is no chunk, which would be the end."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


LAST_CHUNK = b"0\r\n\r\n"
