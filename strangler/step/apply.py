"""Applying: intents become rows, planned effects and events, in the transaction that holds their claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from outbox import Event, append_all
from outbox.connection import PsycopgConnection
from outbox.structured import Item
from strangler.step.intents import Call, Emit, Intent, Outcome, Write, effect_key
from strangler.step.pg_json import encode

PLAN_EFFECT = """
INSERT INTO effect (subject_ref, step, number, key, vendor, operation, body, carry)
SELECT planned.subject_ref, %(step)s, planned.number, planned.key, planned.vendor, planned.operation,
       planned.body::jsonb, planned.carry::jsonb
FROM unnest(%(subject_refs)s::text[], %(numbers)s::integer[], %(keys)s::text[], %(vendors)s::text[],
            %(operations)s::text[], %(bodies)s::text[], %(carries)s::text[])
     AS planned (subject_ref, number, key, vendor, operation, body, carry)
ORDER BY planned.subject_ref, planned.number"""


@dataclass(frozen=True, slots=True)
class Act:
    """An event that this side has claimed, with what the step wants. The intents are numbered from `number`.

    `context` is the event's: emitted events have it too, and effects carry it to what follows their outcome.
    """

    subject_ref: str
    version: int
    number: int
    intents: Sequence[Intent]
    context: Mapping[str, Item] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NumberedWrite:
    """A row that a context is asked to write."""

    subject_ref: str
    version: int
    number: int
    write: Write
    context: Mapping[str, Item] = field(default_factory=dict)


# A whole batch at once, so that a context can take its row locks in one order.
ApplyWrites = Callable[[PsycopgConnection, Sequence[NumberedWrite]], None]


def write_nothing(_connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
    """For a step without rows of its own: a write is a mistake in its `decide` or `conclude`."""
    raise ValueError(f"this step cannot write {writes[0].write.table!r}")


def writes_of(act: Act) -> list[NumberedWrite]:
    """What an act alone writes of rows."""
    return [
        NumberedWrite(act.subject_ref, act.version, number, intent, act.context)
        for number, intent in enumerate(act.intents, act.number)
        if isinstance(intent, Write)
    ]


def apply(connection: PsycopgConnection, step: str, acts: Sequence[Act], apply_writes: ApplyWrites) -> None:
    """Carry out the intents of claimed events. Never commits."""
    writes: list[NumberedWrite] = []
    events: list[Event] = []
    calls: list[tuple[Act, int, Call]] = []
    for act in acts:
        for number, intent in enumerate(act.intents, act.number):
            match intent:
                case Write():
                    writes.append(NumberedWrite(act.subject_ref, act.version, number, intent, act.context))
                case Call():
                    calls.append((act, number, intent))
                case Emit() | Outcome():
                    events.append(emitted(step, act.subject_ref, intent, act.context))
                case _:
                    assert_never(intent)
    append_all(connection, events)
    if writes:
        apply_writes(connection, writes)
    if calls:
        connection.execute(PLAN_EFFECT, _planned(step, calls))


def emitted(step: str, subject_ref: str, intent: Emit | Outcome, context: Mapping[str, Item]) -> Event:
    """The event of an intent: its aggregate type is the step's name, its context the triggering event's."""
    emit = intent.emit() if isinstance(intent, Outcome) else intent
    return Event(step, subject_ref, emit.version, emit.type, encode(emit.body).encode(), dict(context))


def _planned(step: str, calls: Sequence[tuple[Act, int, Call]]) -> dict[str, object]:
    return {
        "step": step,
        "subject_refs": [act.subject_ref for act, _, _ in calls],
        "numbers": [number for _, number, _ in calls],
        "keys": [effect_key(act.subject_ref, step, number) for act, number, _ in calls],
        "vendors": [call.vendor for _, _, call in calls],
        "operations": [call.operation for _, _, call in calls],
        "bodies": [encode(call.body) for _, _, call in calls],
        "carries": [encode({**call.carry, "context": dict(act.context)}) for act, _, call in calls],
    }
