"""Answers of the facade's own (RFC 9457): what happened, whether anything was done, and when to try again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from strangler.facade.message import RequestOutcome, Response, phrase
from strangler.step.intents import Json

MEDIA_TYPE = "application/problem+json"
REJECTED_HEADER = "Strangler-Rejected"
REQUEST_REFUSED = "request-refused"
NOT_OF_A_ROUTE = "other"  # the class of what is forwarded as it comes, for no route of the plan


class RequestEffect(StrEnum):
    """What the request has changed: nothing for sure, nobody can tell yet, or all that it asked for."""

    NONE = "none"
    UNKNOWN = "unknown"
    DONE = "done"


_OUTCOMES = {
    RequestEffect.NONE: RequestOutcome.REFUSED,
    RequestEffect.UNKNOWN: RequestOutcome.UNKNOWN,
    RequestEffect.DONE: RequestOutcome.REPLAYED,  # as far as that can be
}


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind` is the machine's key. `rejected`: the facade refused the work itself, so no hop counts it as a failure.

    `clause`: what of the plan it is refused by.
    """

    status: int
    kind: str
    detail: str
    effect: RequestEffect = RequestEffect.NONE
    retry_after_s: int | None = None
    rejected: bool = False
    clause: str = ""

    def to_answer(self, work: str = NOT_OF_A_ROUTE) -> Response:
        """With the class of the refused work, the subject's name where a route of the plan was asked."""
        members: dict[str, Json] = {
            "type": f"urn:problem-type:strangler:{self.kind}",
            "title": phrase(self.status),
            "status": self.status,
            "detail": self.detail,
            "effect": self.effect.value,
        }
        if self.clause:
            members["clause"] = self.clause
        body = json.dumps(members).encode()
        headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        if self.retry_after_s is not None:
            headers.append(("Retry-After", str(self.retry_after_s)))
        if self.rejected:
            headers.append((REJECTED_HEADER, work))
        return Response(self.status, phrase(self.status), headers, body, _OUTCOMES[self.effect], self.kind)


def request_refused(why: str) -> Problem:
    """A request that the facade and the application could take for different ones."""
    return Problem(400, REQUEST_REFUSED, why)


KEY_MISSING = Problem(
    400, "key-missing", "this route needs an Idempotency-Key header; send one that is new per request"
)
KEY_MALFORMED = Problem(
    400, "key-malformed", "Idempotency-Key must be one value of 1 to 255 printable ASCII characters; send a UUID"
)
FORM_UNREADABLE = Problem(
    400,
    "form-unreadable",
    "this route's key is a field of the form, and the form cannot be read: it has more than 1,000 fields, is "
    "compressed, or is not of the plain form that its Content-Type says; send the key in an Idempotency-Key header",
)
HEAD_TOO_LARGE = Problem(
    431, "head-too-large", "the request's line and fields exceed 64 KiB or 1,000 fields; send fewer or shorter ones"
)
TARGET_TOO_LONG = Problem(414, "target-too-long", "the request target exceeds 8 KiB; send what is long in a body")
HEAD_SLOW = Problem(408, "head-slow", "the request's line and fields did not arrive in time; send the request again")
NO_CODING = Problem(501, "no-coding", "chunked is the only Transfer-Encoding that is taken; encode by Content-Encoding")
NO_VERSION = Problem(505, "no-version", "HTTP/1.1 and HTTP/1.0 are spoken here; ask in one of them")
BODY_INCOMPLETE = Problem(400, "body-incomplete", "the body ended before its Content-Length; send the request again")
BODY_SLOW = Problem(408, "body-slow", "the body did not arrive in time; send the request again")
BODY_TOO_LARGE = Problem(413, "body-too-large", "the body exceeds what this route takes; split the request")
CLIENT_GONE = Problem(400, "client-gone", "the client hung up before it was answered", RequestEffect.UNKNOWN)
OTHER_REQUEST = Problem(
    422, "key-reused", "this Idempotency-Key came with another request before; use a new key for a new request"
)
IN_PROGRESS = Problem(
    409,
    "in-progress",
    "the first request with this key is under way; ask again with the same key",
    RequestEffect.UNKNOWN,
    1,
)
CALLER_UNKNOWN = Problem(
    409,
    "caller-unknown",
    "this Idempotency-Key was used before, and its caller cannot be identified as you: check whether the request was "
    "carried out, then log in and use a new key; where clients never log in, the plan needs caller='anonymous'",
    RequestEffect.UNKNOWN,
)
CALLER_FAILED = Problem(
    503,
    "caller-failed",
    "the caller could not be identified, nothing was forwarded; try again with the same key",
    RequestEffect.NONE,
    5,
)
OUTCOME_UNKNOWN = Problem(
    503,
    "outcome-unknown",
    "nobody can tell yet if the request was carried out; ask again with the same key, it is never carried out twice",
    RequestEffect.UNKNOWN,
    5,
)
OUTCOME_LOST = Problem(
    409,
    "outcome-lost",
    "the first request with this key ended without an answer, and asking again does not tell whether it was carried "
    "out: look at what it was about, and use a new key if it was not",
    RequestEffect.UNKNOWN,
)
ANSWER_GONE = Problem(
    410,
    "answer-gone",
    "the request with this key was carried out, and its answer was too large to keep: look at what it was about",
    RequestEffect.DONE,
)
KEY_EXPIRED = Problem(
    422,
    "key-expired",
    "this Idempotency-Key made something longer ago than keys are kept: look at that, and use a new key for a new "
    "request",
)
NOT_STORABLE = Problem(
    400,
    "not-storable",
    "the key or the reference of this request is none that the claim of it can hold; send a UUID as the key, and the "
    "reference that the subject was given",
)
DATABASE_DOWN = Problem(
    503,
    "database-down",
    "the claim cannot be stored, nothing was forwarded; try again",
    RequestEffect.NONE,
    2,
    rejected=True,
)
UPSTREAM_DOWN = Problem(
    503,
    "upstream-down",
    "the application does not answer, nothing was sent; try again",
    RequestEffect.NONE,
    2,
    rejected=True,
)
UPSTREAM_BROKE = Problem(
    502, "upstream-broke", "the application broke off before it had answered", RequestEffect.UNKNOWN
)
UPSTREAM_SLOW = Problem(504, "upstream-slow", "the application did not answer in time", RequestEffect.UNKNOWN)
THREADS_BUSY = Problem(
    503,
    "threads-busy",
    "no thread became free to find out whose request it is, nothing was forwarded; try again",
    RequestEffect.NONE,
    2,
    rejected=True,
)
OVER_QUOTA = Problem(
    429,
    "over-quota",
    "more of these requests came from you than are taken in a second, nothing was done",
    rejected=True,
)
NO_ROOM = Problem(
    503, "no-room", "there is not room for all, and other requests go first; nothing was done, try again", rejected=True
)
CODED_FOR_1_0 = Problem(
    502,
    "coded-for-1-0",
    "the application's answer is in a transfer coding that HTTP/1.0 does not have; ask by HTTP/1.1",
    RequestEffect.UNKNOWN,
)
NO_UPGRADE = Problem(
    501, "no-upgrade", "WebSockets are not forwarded; let clients reach the application's by an address of its own"
)
NO_TUNNEL = Problem(501, "no-tunnel", "CONNECT is not forwarded; talk to the application by plain requests")
NOT_HERE = Problem(404, "not-here", "nothing of the facade's own has this path; /-/healthz tells its state")

# Every kind that there is: what a metric is labelled with.
CAUSES = (REQUEST_REFUSED, *(one.kind for one in tuple(globals().values()) if isinstance(one, Problem)))
