"""A step's rows once more, for a rebuild: what this side has applied is written again, and nothing else is done."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Disposition
from outbox.event import ReceivedEvent
from strangler.ownership import Owner
from strangler.step.apply import ApplyWrites, writes_of
from strangler.step.handler import Decision, StepHandler

DONE = """
SELECT subject_ref, number, kind FROM claim
WHERE step = %(step)s AND kind IN ('applied', 'backfilled') AND subject_ref = ANY(%(subject_refs)s)"""


def claimed(connection: PsycopgConnection, step: str, decisions: Sequence[Decision]) -> list[bool]:
    """Whether the rows of each are to be there: the new side has applied it, or it was backfilled."""
    refs = [one.subject_ref for one in decisions]
    rows = connection.execute(DONE, {"step": step, "subject_refs": refs}) if refs else ()
    done = {(subject_ref, number, kind == "applied") for subject_ref, number, kind in rows}
    return [(one.subject_ref, one.number, one.owner is Owner.NEW) in done for one in decisions]


class RebuildHandler:
    """An `outbox.consumer.Handler` that writes the rows of events which have their claim: no claims, calls, events.

    What was handed back, or was never applied, is not the new side's, and stays out. What was backfilled stays in.
    """

    def __init__(self, step: str, handler: StepHandler, apply_writes: ApplyWrites) -> None:
        self._step, self._handler, self._apply_writes = step, handler, apply_writes

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        decisions = self._handler.decisions(events)
        ours = claimed(connection, self._step, decisions)
        writes = [
            write for one, is_ours in zip(decisions, ours, strict=True) if is_ours for write in writes_of(one.act)
        ]
        if writes:
            self._apply_writes(connection, writes)
        return [Disposition.APPLIED if is_ours else Disposition.NOT_OWNER for is_ours in ours]
