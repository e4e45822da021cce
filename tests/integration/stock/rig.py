"""Stock as both owners move it: by the two functions and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString

from outbox.connection import PsycopgConnection
from tests.support.waiting import wait_until

RESERVE: LiteralString = """
SELECT order_ref, sold_out_sku, short
FROM inventory.reserve_stock(%(order_refs)s::text[], %(skus)s::text[], %(pieces)s::bigint[])"""
GIVE_BACK: LiteralString = """
SELECT inventory.give_back_stock(%(order_ref)s::text, %(number)s::integer, %(skus)s::text[], %(pieces)s::bigint[])"""
ON_HAND: Mapping[str, LiteralString] = {
    "legacy": "SELECT sku, on_hand FROM legacy.stock",
    "new": "SELECT sku, on_hand FROM inventory.stock",
}
DELIVER: Mapping[str, LiteralString] = {
    "legacy": "INSERT INTO legacy.stock (sku, on_hand) VALUES (%s, %s)",
    "new": "INSERT INTO inventory.stock (sku, on_hand) VALUES (%s, %s)",
}
HOLD_AUTHORITY: LiteralString = """
INSERT INTO strangler.authority (resource, holder) VALUES ('stock', %(holder)s)
ON CONFLICT (resource) DO UPDATE SET holder = excluded.holder"""
BLOCKED: LiteralString = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
HELD: LiteralString = "SELECT sku, sum(pieces)::bigint FROM inventory.stock_hold GROUP BY sku HAVING sum(pieces) <> 0"

Wanted = tuple[str, str, int]
Answer = tuple[str, str | None, int | None]


def reserve(connection: PsycopgConnection, *wanted: Wanted) -> Sequence[Answer]:
    """One batch of (order, SKU, pieces); one answer for each order."""
    refs, skus, pieces = zip(*wanted, strict=True) if wanted else ((), (), ())
    values = {"order_refs": list(refs), "skus": list(skus), "pieces": list(pieces)}
    return [(ref, sku, short) for ref, sku, short in connection.execute(RESERVE, values)]


def give_back(connection: PsycopgConnection, order_ref: str, number: int, pieces: Mapping[str, int]) -> None:
    values = {"order_ref": order_ref, "number": number, "skus": list(pieces), "pieces": list(pieces.values())}
    connection.execute(GIVE_BACK, values)


def deliver(connection: PsycopgConnection, holder: str, pieces: Mapping[str, int]) -> None:
    """What the holder's shelf begins with; the authority is the holder's."""
    connection.execute(HOLD_AUTHORITY, {"holder": holder})
    for sku, on_hand in pieces.items():
        connection.execute(DELIVER[holder], (sku, on_hand))


def on_hand(connection: PsycopgConnection, holder: str) -> dict[str, int]:
    return dict(connection.execute(ON_HAND[holder]).fetchall())


def held(connection: PsycopgConnection) -> dict[str, int]:
    """What orders hold, by SKU."""
    return dict(connection.execute(HELD).fetchall())


def until_blocked(watch: PsycopgConnection, connection: PsycopgConnection) -> None:
    """Until another transaction is in the way of what `connection` runs in its thread."""
    pid = connection.info.backend_pid
    wait_until(lambda: watch.execute(BLOCKED, (pid,)).fetchone() == (True,))
