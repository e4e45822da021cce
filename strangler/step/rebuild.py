"""A step's rows once more, for a rebuild: what this side has applied is written again, what it shed is made up for."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Disposition
from outbox.event import ReceivedEvent
from strangler.ownership import Owner
from strangler.step.apply import ApplyWrites, NumberedWrite
from strangler.step.handler import Decision, StepHandler
from strangler.step.intents import Write

DONE = """
SELECT order_ref, number, kind FROM claim
WHERE step = %(step)s AND kind IN ('applied', 'backfilled', 'shed') AND order_ref = ANY(%(order_refs)s)"""

# A claim that a replay holds now is the replay's: it waits for the rows' table, which this transaction has locked.
MADE_UP_FOR = """
UPDATE claim SET kind = 'applied'
FROM (SELECT order_ref, number FROM claim
      JOIN unnest(%(order_refs)s::text[], %(numbers)s::integer[]) AS written (order_ref, number)
           USING (order_ref, number)
      WHERE step = %(step)s AND kind = 'shed' FOR UPDATE OF claim SKIP LOCKED) AS free
WHERE claim.step = %(step)s AND (claim.order_ref, claim.number) = (free.order_ref, free.number)"""


class RebuildHandler:
    """An `outbox.consumer.Handler` that writes the rows of events which have their claim: no claims, calls, events.

    What was handed back, or was never applied, is not the new side's, and stays out. What was backfilled stays in.
    What was shed and is no more than rows is written too; `swapped` makes its claims true.
    """

    def __init__(self, step: str, handler: StepHandler, apply_writes: ApplyWrites) -> None:
        self._step, self._handler, self._apply_writes = step, handler, apply_writes
        self._made_up_for: dict[tuple[str, int], None] = {}

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        decisions = self._handler.decisions(events)
        refs = [one.order_ref for one in decisions]
        rows = connection.execute(DONE, {"step": self._step, "order_refs": refs}) if refs else ()
        kinds = {(order_ref, number): kind for order_ref, number, kind in rows}
        ours = [self._is_ours(one, kinds.get((one.order_ref, one.number))) for one in decisions]
        writes = [
            NumberedWrite(one.order_ref, one.version, number, intent, one.context)
            for one, is_ours in zip(decisions, ours, strict=True)
            if is_ours
            for number, intent in enumerate(one.intents, one.number)
            if isinstance(intent, Write)
        ]
        if writes:
            self._apply_writes(connection, writes)
        return [Disposition.APPLIED if is_ours else Disposition.NOT_OWNER for is_ours in ours]

    def swapped(self, connection: PsycopgConnection) -> None:
        """The new rows take the old ones' place, in the caller's transaction: what was shed is applied by now."""
        if self._made_up_for:
            refs, numbers = zip(*self._made_up_for, strict=True)
            connection.execute(MADE_UP_FOR, {"step": self._step, "order_refs": list(refs), "numbers": list(numbers)})

    def _is_ours(self, one: Decision, kind: str | None) -> bool:
        match kind:
            case "applied":
                return one.owner is Owner.NEW
            case "backfilled":
                return one.owner is not Owner.NEW
            case "shed" if all(isinstance(intent, Write) for intent in one.intents):
                self._made_up_for[one.order_ref, one.number] = None
                return True
            case _:
                return False
