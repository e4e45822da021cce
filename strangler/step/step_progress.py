"""How far a step has come with each subject, from what it keeps of every event: a claim, a record, or a mark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer import Done
from outbox.event import Event, ReceivedEvent
from strangler.ownership import Owner, Ownership
from strangler.step.intents import INTENTS_PER_EVENT

# A tombstone: the subject was handed back, this side waits for nothing of it.
HANDLED = """
WITH kept AS (
    SELECT subject_ref, number / %(intents)s AS version, kind FROM claim
    WHERE step = %(step)s AND subject_ref = ANY(%(subject_refs)s)
    UNION ALL
    SELECT subject_ref, version, 'recorded' FROM intent WHERE step = %(step)s AND subject_ref = ANY(%(subject_refs)s)
    UNION ALL
    SELECT subject_ref, version, 'passed over' FROM passed_over
    WHERE step = %(step)s AND subject_ref = ANY(%(subject_refs)s))
SELECT wanted.subject_ref, coalesce(max(version), 0), count(DISTINCT version)
FROM unnest(%(subject_refs)s::text[]) AS wanted (subject_ref) LEFT JOIN kept USING (subject_ref)
GROUP BY wanted.subject_ref HAVING bool_and(kind IS DISTINCT FROM 'tombstone')"""


def handled_by(
    step: str, concerns: Callable[[Event, Owner], bool]
) -> Callable[[PsycopgConnection, Sequence[ReceivedEvent]], Mapping[str, Done]]:
    """For `outbox.consumer.Progress`: what is done of each subject that the step acts on or shadows.

    Orders of legacy are left out: the step keeps nothing of them. So is what does not concern the step.
    """

    def handled(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Mapping[str, Done]:
        refs = sorted({one.event.aggregate_id for one in events if _is_kept(one.event)})
        if not refs:
            return {}
        parameters = {"step": step, "subject_refs": refs, "intents": INTENTS_PER_EVENT}
        return {ref: Done(newest, many) for ref, newest, many in connection.execute(HANDLED, parameters)}

    def _is_kept(event: Event) -> bool:
        try:
            owner = Ownership.from_header(str(event.context.get("ownership", ""))).of(step)
        except Exception:  # noqa: BLE001 - the handler says what is wrong with it
            return False
        return owner is not Owner.LEGACY and concerns(event, owner)

    return handled
