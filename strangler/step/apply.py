"""Applying: intents become rows, planned effects and events, in the transaction that holds their claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from outbox import Event, append
from outbox.connection import PsycopgConnection
from strangler.step.intents import Call, Emit, Intent, Write, effect_key, first_number
from strangler.step.storable import encode

PLAN_EFFECT = """
INSERT INTO effect (order_ref, step, number, key, vendor, operation, body)
SELECT planned.order_ref, %(step)s, planned.number, planned.key, planned.vendor, planned.operation,
       planned.body::jsonb
FROM unnest(%(order_refs)s::text[], %(numbers)s::integer[], %(keys)s::text[], %(vendors)s::text[],
            %(operations)s::text[], %(bodies)s::text[])
     AS planned (order_ref, number, key, vendor, operation, body)
ORDER BY planned.order_ref, planned.number"""


@dataclass(frozen=True, slots=True)
class Act:
    """An event that this side has claimed, with what the step wants."""

    order_ref: str
    version: int
    intents: Sequence[Intent]


@dataclass(frozen=True, slots=True)
class NumberedWrite:
    """A row that a context is asked to write."""

    order_ref: str
    version: int
    number: int
    write: Write


# A whole batch at once, so that a context can take its row locks in one order.
ApplyWrites = Callable[[PsycopgConnection, Sequence[NumberedWrite]], None]


def apply(connection: PsycopgConnection, step: str, acts: Sequence[Act], apply_writes: ApplyWrites) -> None:
    """Carry out the intents of claimed events. Never commits."""
    writes: list[NumberedWrite] = []
    calls: list[tuple[str, int, Call]] = []
    for act in acts:
        for number, intent in enumerate(act.intents, first_number(act.version)):
            match intent:
                case Write():
                    writes.append(NumberedWrite(act.order_ref, act.version, number, intent))
                case Call():
                    calls.append((act.order_ref, number, intent))
                case Emit(type_, body):
                    append(connection, Event(step, act.order_ref, number, type_, encode(body).encode()))
                case _:
                    assert_never(intent)
    if writes:
        apply_writes(connection, writes)
    if calls:
        connection.execute(PLAN_EFFECT, _planned(step, calls))


def _planned(step: str, calls: Sequence[tuple[str, int, Call]]) -> dict[str, object]:
    return {
        "step": step,
        "order_refs": [order_ref for order_ref, _, _ in calls],
        "numbers": [number for _, number, _ in calls],
        "keys": [effect_key(order_ref, step, number) for order_ref, number, _ in calls],
        "vendors": [call.vendor for _, _, call in calls],
        "operations": [call.operation for _, _, call in calls],
        "bodies": [encode(call.body) for _, _, call in calls],
    }
