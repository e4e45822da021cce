"""Every metric of the facade, and every value that its labels may have beside the plan's own names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from outbox.catalogue import Described
from strangler.admission.work import Clause
from strangler.facade.message import RequestOutcome
from strangler.facade.problem import CAUSES
from strangler.ownership import Owner
from strangler.reads.account import ReadOutcome, Why

OTHER_ROUTE = "other"  # of what is forwarded for no route of the plan


class ClaimState(StrEnum):
    """How a request of an owned route stands to its claim when it is answered."""

    WON = "won"  # carried out by this request, and answered
    RELEASED = "released"  # the application was not reached, or has not taken it on: the key is free again
    REPLAYED = "replayed"
    FOUND = "found"  # its answer was lost, and the subject was found
    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    OTHER_REQUEST = "other_request"
    OTHER_CALLER = "other_caller"
    NOT_STORED = "not_stored"


class Sent(StrEnum):
    """What came of sending a request to the application."""

    ANSWERED = "answered"
    NOT_SENT = "not_sent"
    BROKE = "broke"
    TOO_SLOW = "too_slow"
    CLIENT_GONE = "client_gone"


class Bounded(StrEnum):
    """What the facade has a bounded number of."""

    CLIENTS = "clients"
    THREADS = "threads"
    UPSTREAM = "upstream"
    DATABASE = "database"


COUNTED = (
    Described(
        "facade_requests",
        "counter",
        ("route", "outcome", "status"),
        "requests, by route of the plan (`other`: forwarded untouched), what became of them, and class of status",
    ),
    Described(
        "facade_refused", "counter", ("cause",), "answers of the facade's own, by the last part of the problem's `type`"
    ),
    Described(
        "facade_claims", "counter", ("route", "state"), "claimed requests, by how they stood to their key when answered"
    ),
    Described("facade_pinned", "counter", ("step", "owner"), "subjects pinned, by whom each step was given to"),
    Described(
        "facade_expired",
        "counter",
        ("answered",),
        "keys that were forgotten because their time was over; `no`: nobody has found out what came of the request",
    ),
    Described(
        "facade_request_seconds", "histogram", ("route", "outcome"), "from a request's head to the head of its answer"
    ),
    Described(
        "facade_upstream_seconds",
        "histogram",
        ("sent",),
        "of it, one exchange with the application: waiting for a connection, until the answer's head or the failure",
    ),
    Described(
        "facade_in_use",
        "gauge",
        ("what",),
        "connections of `clients`, `threads` with a function of the plan or a large body, connections to the "
        "application (`upstream`) and to the `database`; of all workers",
    ),
    Described(
        "facade_clients_evicted",
        "counter",
        (),
        "connections that waited without a complete request and were hung up on, to make room for others",
    ),
    Described(
        "facade_admission",
        "counter",
        ("work", "said"),
        "requests that the plan's admission was asked about, by class: `granted`, the clause that refused them, or "
        "`left`: the client went while it waited",
    ),
    Described(
        "facade_degraded", "counter", ("work",), "requests that went on with the hint that they may cost less, by class"
    ),
    Described("facade_mode", "gauge", ("mode",), "workers in which the mode holds"),
    Described(
        "facade_admission_slots",
        "gauge",
        (),
        "requests that are let in at once, of all workers: the plan's slots, or as many as were found",
    ),
    Described(
        "facade_admission_alone",
        "gauge",
        (),
        "workers that cannot tell the others, by the database, which slots they hold: each keeps to an even part",
    ),
    Described(
        "facade_admission_excess",
        "gauge",
        (),
        "slots that all workers of all facades hold beyond the plan's, as each worker sees it, added up: 0, but for "
        "a moment after the plan's number was lowered",
    ),
    Described(
        "facade_lag_unread",
        "gauge",
        ("consumer",),
        "workers that cannot read how far behind a consumer is whose lag is promised: its classes are not held back",
    ),
    Described(
        "facade_reads",
        "counter",
        ("read", "became", "why"),
        "reads that another application takes over: `eligible` is `same`, `different`, `dropped` and `failed` together "
        "but for what is under way, `answered`, `fell_back` and `refused` are answers to clients",
    ),
    Described(
        "facade_fields_dropped",
        "counter",
        (),
        "fields of the application's answers that went no further, for their names are none",
    ),
)
LIMIT = Described("facade_limit", "gauge", ("what",), "as many there may be")  # settings, which nothing has to count
FACADE = (*COUNTED, LIMIT)


def label_values(
    routes: Iterable[str],
    steps: Iterable[str],
    classes: Iterable[str] = (),
    consumers: Iterable[str] = (),
    modes: Iterable[str] = (),
    *,
    reads: Iterable[str] = (),
) -> Mapping[str, Sequence[str]]:
    """Each label's values: all that a series can be made of, so that no request makes one."""
    return {
        "route": [*dict.fromkeys(routes), OTHER_ROUTE],
        "outcome": [*RequestOutcome],
        "status": ["1xx", "2xx", "3xx", "4xx", "5xx"],
        "cause": CAUSES,
        "state": [*ClaimState],
        "step": [*dict.fromkeys(steps)],
        "owner": [*Owner],
        "answered": ["yes", "no"],
        "sent": [*Sent],
        "what": [*Bounded],
        "work": [*dict.fromkeys(classes)],
        "consumer": [*dict.fromkeys(consumers)],
        "mode": [*dict.fromkeys(modes)],
        "read": [*dict.fromkeys(reads)],
        "became": [*ReadOutcome],
        "why": ["", *Why],
        "said": ["granted", *Clause, "left"],
    }
