"""The data that shows how far each order has come: its row, its events, what is parked, what explains a delay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import LiteralString

from psycopg import sql

from outbox import PsycopgConnection
from strangler.choreography import Final, OrderState, Remark, Seen

ORDERS: LiteralString = "SELECT order_ref, status FROM legacy.orders"

# The id tells the time: its first 48 bits are milliseconds. What legacy gives back of a rejected order's stock it does
# in the transaction that rejects it, without an event: the stock's own account says so (200 = the compensation).
SEEN: LiteralString = """
WITH told AS (
    SELECT aggregateid AS order_ref, type,
           min(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint) AS at_ms
    FROM outbox.outbox
    WHERE aggregatetype IN ('fraud', 'inventory', 'payment', 'order')
    GROUP BY 1, 2
), given_back AS (
    SELECT DISTINCT told.order_ref, 'StockReleased' AS type, told.at_ms
    FROM told JOIN inventory.stock_hold AS hold ON hold.order_ref = told.order_ref AND hold.number = 200
    WHERE told.type = 'OrderRejected'
)
SELECT order_ref, array_agg(type), array_agg(to_timestamp(at_ms / 1000.0))
FROM (SELECT * FROM told UNION ALL SELECT * FROM given_back) AS facts
GROUP BY order_ref"""

PRESENT: LiteralString = """
SELECT schema FROM unnest(%(schemas)s::text[]) AS wanted (schema)
WHERE to_regclass(schema || %(relation)s) IS NOT NULL ORDER BY schema"""
PARKED = sql.SQL("SELECT key, reason FROM {}.quarantine WHERE resolved_at IS NULL AND key IS NOT NULL")
STEP_OF = {"fraud": "fraud", "inventory": "inventory", "payment": "payment", "resume": "order"}  # by schema
UNDER_WAY = sql.SQL("""
SELECT subject_ref, operation, state, attempts, planned_at FROM {}.effect
WHERE subject_ref = ANY (%(order_refs)s) AND state IN ('planned', 'sent', 'unknown')""")
ASKING = ("fraud", "payment")
WAITING: LiteralString = """
SELECT subject_ref, waits_for, state, attempts FROM strangler.continuation
WHERE subject_ref = ANY (%(order_refs)s) AND state <> 'done' ORDER BY subject_ref"""
PROGRESS: LiteralString = """
SELECT order_ref, state, waits_for FROM ordering.progress
WHERE order_ref = ANY (%(order_refs)s) AND waits_for <> '{}' ORDER BY order_ref"""


def orders(connection: PsycopgConnection) -> Iterator[OrderState]:
    """Every order of the shop. Cancelled ones were placed: a cancellation begins anew."""
    for order_ref, status in connection.execute(ORDERS):
        yield OrderState(order_ref, _final(status))


def seen(connection: PsycopgConnection) -> Iterator[Seen]:
    """As far back as the outbox goes."""
    for order_ref, types, times in connection.execute(SEEN):
        yield Seen(order_ref, dict(zip(types, times, strict=True)))


def parked(connection: PsycopgConnection) -> Iterator[Remark]:
    """Open quarantine of the steps that an order waits for. Keys are order references."""
    for schema in _present(connection, list(STEP_OF), ".quarantine"):
        for key, reason in connection.execute(PARKED.format(sql.Identifier(schema))):
            yield Remark(bytes(key).decode(errors="replace"), STEP_OF[schema], reason)


def remarks(connection: PsycopgConnection, order_refs: Sequence[str]) -> Iterator[Remark]:
    """Why an order may wait: its continuation, a vendor that has not answered, what the order context believes."""
    wanted = {"order_refs": list(order_refs)}
    for order_ref, waits_for, state, attempts in connection.execute(WAITING, wanted):
        yield Remark(order_ref, "order", f"continuation behind {waits_for} is {state}, {attempts} failed attempts")
    for schema in _present(connection, ASKING, ".effect"):
        under_way = connection.execute(UNDER_WAY.format(sql.Identifier(schema)), wanted)
        for order_ref, operation, state, attempts, at in under_way:
            text = f"{operation} planned at {at:%Y-%m-%d %H:%M:%S} is {state} after {attempts} attempts"
            yield Remark(order_ref, schema, text)
    if _present(connection, ["ordering"], ".progress"):
        for order_ref, state, waits_for in connection.execute(PROGRESS, wanted):
            yield Remark(order_ref, "order context", f"it is {state} and waits for {', '.join(waits_for)}")


def _final(status: str) -> Final | None:
    match status:
        case "pending":
            return None
        case "rejected":
            return Final.COMPENSATED
        case _:
            return Final.DONE


def _present(connection: PsycopgConnection, schemas: Sequence[str], relation: str) -> Sequence[str]:
    """Contexts that this database has: the others' steps are still legacy's."""
    rows = connection.execute(PRESENT, {"schemas": list(schemas), "relation": relation})
    return [schema for (schema,) in rows]
