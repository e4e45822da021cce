"""Intents: what a step wants to do, as plain data. Ownership decides what happens to them.

Numbers: the event of aggregate version v has the intents v*100, v*100+1, ... (at most 100). The claim (subject, step,
v*100) always exists once a side has acted on the event, also when the step wanted nothing.
`carry` is what later parts of the step need to know of the event: no judge compares it, no vendor gets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = Any  # what json.loads gives; the only place where the type is this wide
INTENTS_PER_EVENT = 100


@dataclass(frozen=True, slots=True)
class Write:
    """A row to write in the context's own schema; its `effects` module knows how to apply it."""

    table: str
    values: Mapping[str, Json]
    carry: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A call to make at a vendor: sent from the `effect` table after the commit, with key `order:step:number`."""

    vendor: str
    operation: str
    body: Mapping[str, Json]
    carry: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Emit:
    """An event to append to the context's own outbox; `version` is the aggregate version that it gets."""

    type: str
    body: Mapping[str, Json]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the step came to, told as an event of it: `subject` is the subject's state as the event had it that led
    here, so that later steps can decide; what came of it stands beside it.

    >>> Outcome("PaymentTaken", {"total": 5}, {"charge_id": "c1"}).emit().body
    {'total': 5, 'outcome': {'by': 'new', 'charge_id': 'c1'}}
    """

    type: str
    subject: Mapping[str, Json]
    detail: Mapping[str, Json]
    version: int = 1

    def emit(self) -> Emit:
        return Emit(self.type, {**self.subject, "outcome": {"by": "new", **self.detail}}, self.version)


Intent: TypeAlias = Write | Call | Emit | Outcome


class NoIntents(TypeError):
    """What `decide` answered is no list of intents."""


def answered(said: object) -> Sequence[Intent]:
    """What `decide` answered, where it is a list of intents; `NoIntents` says what it is else."""
    if not isinstance(said, Sequence) or isinstance(said, str | bytes):
        raise NoIntents(f"decide answered a {type(said).__name__}; answer a list of intents, [] where nothing is due")
    for one in said:
        if not isinstance(one, Intent):
            raise NoIntents(f"decide answered a list with a {type(one).__name__}; an intent is a Call, Write or Emit")
    return said


def first_number(aggregate_version: int) -> int:
    """The number of the event's first intent, and of its claim."""
    return aggregate_version * INTENTS_PER_EVENT


def to_json(intents: Sequence[Intent]) -> list[dict[str, Json]]:
    """The stored form, the same from the seam and from the new side.

    >>> to_json([Call("mail", "send", {"to": "a"})])
    [{'kind': 'call', 'target': 'mail.send', 'body': {'to': 'a'}}]
    """
    return [_one(intent) for intent in intents]


def _one(intent: Intent) -> dict[str, Json]:
    match intent:
        case Write(table=table, values=values):
            return {"kind": "write", "target": table, "body": dict(values)}
        case Call(vendor=vendor, operation=operation, body=body):
            return {"kind": "call", "target": f"{vendor}.{operation}", "body": dict(body)}
        case Emit(type=type_, body=body):
            return {"kind": "emit", "target": type_, "body": dict(body)}
        case Outcome():
            return _one(intent.emit())


def effect_key(subject_ref: str, step: str, number: int) -> str:
    """The vendor's idempotency key, the same from either side."""
    return f"{subject_ref}:{step}:{number}"
