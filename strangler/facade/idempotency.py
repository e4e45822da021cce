"""The Idempotency-Key (IETF draft-07): its value, the subject minted from it, what a repeated one means. Pure."""

from __future__ import annotations

import hashlib
import math
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlsplit

from strangler.facade.message import Headers, values
from strangler.facade.readings import as_wsgi
from strangler.keys import LONGEST_S
from strangler.routes import Route

KEY_HEADER = "idempotency-key"
REPLAYED = ("Idempotency-Replayed", "?1")
RETENTION_S = LONGEST_S  # of a key; the longest time that a plan may derive one for

_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')  # the draft's form: an RFC 9651 string
_BARE = re.compile(r"[!#-~](?:[ -~]*[!-~])?")  # what most clients send


@dataclass(frozen=True, slots=True)
class RequestClaim:
    """The right to carry a request out once. Until `lease_s` have passed, repeats are told that it is under way.

    `tenant` is the scope of the key; a claim in one of `other_scopes` may be the same caller's. A claim of the last
    `within_s` seconds under a key of `near` is the same request's. Not `repeatable`: nobody can ask for it again.
    `native`: kind and id by which the application knows the subject; `subject_ref` is a guess until it is pinned.
    `route`: its target in the plan, for people. `attempt`: one request's number, by which a lease is known as its own.
    """

    tenant: str
    key: str
    fingerprint: bytes
    subject_ref: str
    lease_s: float
    retention_s: float
    other_scopes: Sequence[str] = ()
    near: Sequence[str] = ()
    within_s: float = 0.0
    repeatable: bool = True
    native: tuple[str, str] | None = None
    route: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """The claim is ours. `owners`: the ownership header of the subject, None if it has none. `pinned`: by this claim;
    `pinned_now`: and nobody else can have built on it yet. `again`: another attempt may have reached the application.
    By the loop's clock: nobody else can end the claim until `sole_until`, and nobody begins it again before `by`.
    """

    claim: RequestClaim
    owners: str | None
    pinned_now: bool = False
    pinned: bool = False
    again: bool = False
    sole_until: float = -math.inf
    by: float = math.inf


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What the first request was answered; `body` is None when it was too large to keep."""

    status: int
    reason: str
    headers: Headers
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A claim as the database has it; `answer` is None until it is done. Only the same caller may have the answer.
    `released`: an operator has said that nothing came of it.
    """

    key: str
    fingerprint: bytes
    subject_ref: str
    lease_over: bool
    answer: FirstAnswer | None
    same_caller: bool = True
    released: bool = False


class Repeat(StrEnum):
    """What a key means that was claimed before and has no answer to give again."""

    IN_PROGRESS = "in_progress"
    OTHER_REQUEST = "other_request"
    CALLER_UNKNOWN = "caller_unknown"
    STALE = "stale"
    RELEASED = "released"


def judge(stored: Stored, fingerprint: bytes) -> FirstAnswer | Repeat:
    """The first answer if there is one. Another payload is refused, whatever became of the first one; so is a caller
    that cannot be identified as the first one.
    """
    if stored.fingerprint != fingerprint:
        return Repeat.OTHER_REQUEST
    if not stored.same_caller:
        return Repeat.CALLER_UNKNOWN
    if stored.answer is not None:
        return stored.answer
    if stored.released:
        return Repeat.RELEASED
    return Repeat.STALE if stored.lease_over else Repeat.IN_PROGRESS


def parse_key(values: Sequence[str]) -> str | None:
    """The key of the header's values; None when they are no single valid key. `"a"` and `a` are the same key."""
    if len(values) != 1:
        return None
    text = values[0].strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(text) is not None:
        key = text
    else:
        return None
    return key if 1 <= len(key) <= 255 else None


def mint_ref(scope: str, key: str) -> str:
    """The subject's reference, the same for each retry wherever and whenever it lands: a UUIDv8 (RFC 9562) of both.

    >>> mint_ref("anonymous", "k-1") == mint_ref("anonymous", "k-1") != mint_ref("bob", "k-1")
    True
    """
    named = f"{len(scope)}:{scope}{key}".encode()  # the length keeps ("a", "bc") and ("ab", "c") apart
    number = int.from_bytes(hashlib.blake2b(named, digest_size=16, person=b"strangler-order").digest())
    number = number & ~(0xF << 76) | 8 << 76  # version
    return str(uuid.UUID(int=number & ~(0x3 << 62) | 0x2 << 62))  # variant


def fingerprint_of(method: str, target: str, body: bytes) -> bytes:
    """Tells requests apart: SHA-256 of method, canonical path with its query, and body."""
    return hashlib.sha256(f"{method} {target}\n".encode("latin-1") + body).digest()


class Word(StrEnum):
    """What the application's status says of a request: its answer for good, that it was not taken on, or nothing."""

    FINAL = "final"
    NOT_TAKEN = "not_taken"
    NONE = "none"


# Said before anything is done: of the caller, of the route, of how the request is written, or that it comes too early
# or too often. Neither 400, 402, 409 nor 422: an application may say those of what it has begun.
NOT_TAKEN = frozenset({401, 403, 404, 405, 406, 407, 408, 411, 413, 414, 415, 417, 421, 425, 426, 428, 429, 431, 451})
# What stands between says that the application gave no answer. Any other status is the application's own word, 500
# too: it may have committed before it failed, and it is the first answer all the same.
NO_WORD = frozenset({502, 503, 504})
NOT_YET = frozenset({409, 503})  # with Retry-After: it cannot now, because the subject is being decided, or too busy


def word_of(status: int, headers: Headers, route: Route) -> Word:
    """What the plan's route says of the status counts, then what the status says by itself."""
    if status in route.kept:
        return Word.FINAL
    waits = status in NOT_YET and bool(values(headers, "retry-after"))
    if status in route.released or status in NOT_TAKEN or waits:
        return Word.NOT_TAKEN
    return Word.NONE if status in NO_WORD else Word.FINAL


def unknown_spelling(status: int, headers: Headers, canonical: str) -> bool:
    """The application does not take this spelling for the route at `canonical`: 404, 405, or a redirect. But 302 and
    303 to another path are how an application answers a form that it has carried out.

    >>> [unknown_spelling(302, [("Location", place)], "/orders") for place in ("/orders/", "/orders/R")]
    [True, False]
    """
    if status not in (302, 303):
        return status in (404, 405) or 300 <= status < 400
    places = [urlsplit(place).path for place in values(headers, "location")]
    return all(as_wsgi(place).rstrip("/") == as_wsgi(canonical).rstrip("/") for place in places)


def creation_status(said: Sequence[str]) -> HTTPStatus | None:
    """What creating a subject is answered, by the application's header on looking at it; absent = it is created.

    >>> creation_status([]), creation_status(["402"]), creation_status(["200"])
    (<HTTPStatus.CREATED: 201>, <HTTPStatus.PAYMENT_REQUIRED: 402>, None)
    """
    text = said[0].strip() if len(said) == 1 else ""
    if not said:
        return HTTPStatus.CREATED
    try:
        status = HTTPStatus(int(text)) if text.isdecimal() else None
    except ValueError:
        return None
    fits = status is not None and (status in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED) or 400 <= status < 500)
    return status if fits else None
