"""The order projection's handler: a batch of events folded into one row per order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from new_services.order.status import Progress, after, knows
from new_services.order_event import OrderEvent, parse
from outbox import Disposition, Event, Poison, PsycopgConnection, ReceivedEvent
from strangler import Ownership

# Topics bring events of one order to several lanes at once: the row exists before it is locked, so they wait.
OPEN = """
INSERT INTO progress (order_ref) SELECT wanted FROM unnest(%(order_refs)s::text[]) AS wanted ORDER BY wanted
ON CONFLICT DO NOTHING"""

LOCK = """
SELECT order_ref, seen, version, sold, owed FROM progress
WHERE order_ref = ANY(%(order_refs)s) ORDER BY order_ref FOR UPDATE"""

# A state begins when it was entered: an event that changes nothing of it moves no deadline.
KEEP = """
UPDATE progress
SET seen = given.seen::text[], version = given.version, sold = given.sold, owed = given.owed::text[],
    state = given.state, waits_for = given.waits_for::text[],
    since = CASE WHEN given.entered THEN now() ELSE since END,
    deadline_at = CASE WHEN given.entered THEN now() + make_interval(secs => given.within_s) ELSE deadline_at END
FROM unnest(%(order_refs)s::text[], %(seens)s::text[], %(versions)s::bigint[], %(solds)s::text[], %(oweds)s::text[],
            %(states)s::text[], %(waits)s::text[], %(withins)s::float8[], %(entered)s::boolean[])
     AS given (order_ref, seen, version, sold, owed, state, waits_for, within_s, entered)
WHERE progress.order_ref = given.order_ref"""


class OrderHandler:
    """An `outbox.consumer.Handler`. Safe across threads: it keeps nothing between batches."""

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        parsed = [_read(index, received.event) for index, received in enumerate(events)]
        before = _locked(connection, sorted({each.event.aggregate_id for each in events}))
        progress, dispositions = dict(before), []
        for received, (event, ownership) in zip(events, parsed, strict=True):
            ref, type_ = received.event.aggregate_id, received.event.type
            if knows(progress[ref], type_, event):
                dispositions.append(Disposition.DUPLICATE)
                continue
            progress[ref] = after(progress[ref], type_, event, ownership)
            dispositions.append(Disposition.APPLIED)
        changed = {ref: now for ref, now in progress.items() if now != before[ref]}
        if changed:
            connection.execute(KEEP, _rows(before, changed))
        return dispositions


def _read(index: int, event: Event) -> tuple[OrderEvent, Ownership]:
    try:
        return parse(event), Ownership.from_header(str(event.context.get("ownership", "")))
    except Exception as error:
        raise Poison(index, f"order: {type(error).__name__}: {error}"[:500]) from error


def _locked(connection: PsycopgConnection, refs: Sequence[str]) -> dict[str, Progress]:
    connection.execute(OPEN, {"order_refs": refs})
    rows = connection.execute(LOCK, {"order_refs": refs}).fetchall()
    return {ref: Progress(frozenset(seen), version, sold, frozenset(owed)) for ref, seen, version, sold, owed in rows}


def _rows(before: Mapping[str, Progress], changed: Mapping[str, Progress]) -> dict[str, object]:
    kept = list(changed.values())
    return {
        "order_refs": list(changed),
        "seens": [_array(each.seen) for each in kept],
        "versions": [each.version for each in kept],
        "solds": [each.sold for each in kept],
        "oweds": [_array(each.owed) for each in kept],
        "states": [each.state for each in kept],
        "waits": [_array(each.waits_for) for each in kept],
        "withins": [each.within_s for each in kept],
        "entered": [not before[ref].seen or each.stands != before[ref].stands for ref, each in changed.items()],
    }


def _array(names: frozenset[str] | tuple[str, ...]) -> str:
    """PostgreSQL's array literal; the names are our own words, without a character that needs quoting."""
    return "{" + ",".join(sorted(names)) + "}"
