"""Moves stock: a batch is reserved in one statement, and its outcomes are told in the same transaction.

Lock order: reservations by order, then stock by SKU across the whole batch, as every user of stock takes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from outbox import Event, PsycopgConnection, append_all
from strangler import Outcome
from strangler.service import Json, NumberedWrite, emitted, encode

STEP = "inventory"
COMPENSATION = 2  # the aggregate version of an event by which the step takes back what it did
PLACED = 1  # the version whose reservation takes stock; later ones only give back

# A row that is there already is one of a rejection that came first: its order must not take stock any more.
# An uncommitted one is waited for.
OPEN = """
INSERT INTO reservation (order_ref, version, pieces)
SELECT given.order_ref, 1, given.pieces::jsonb
FROM unnest(%(order_refs)s::text[], %(pieces)s::text[]) AS given (order_ref, pieces)
ORDER BY given.order_ref
ON CONFLICT (order_ref) DO NOTHING
RETURNING order_ref"""

RESERVE = """
SELECT order_ref, sold_out_sku, short
FROM inventory.reserve_stock(%(order_refs)s::text[], %(skus)s::text[], %(pieces)s::bigint[])"""

DROP = "DELETE FROM reservation WHERE order_ref = ANY(%(order_refs)s)"

LOCK = "SELECT order_ref, version, pieces FROM reservation WHERE order_ref = ANY(%(order_refs)s) ORDER BY 1 FOR UPDATE"

# For all orders of the batch at once: one call for each order would lock in the order of orders, and deadlock.
LOCK_STOCK = "SELECT inventory.lock_stock(inventory.stock_holder(), %(skus)s::text[])"

GIVE_BACK = "SELECT inventory.give_back_stock(%(order_ref)s, %(number)s, %(skus)s::text[], %(pieces)s::bigint[])"

KEEP = """
UPDATE reservation SET version = given.version, pieces = given.pieces::jsonb
FROM unnest(%(order_refs)s::text[], %(versions)s::bigint[], %(pieces)s::text[]) AS given (order_ref, version, pieces)
WHERE reservation.order_ref = given.order_ref"""

Pieces = Mapping[str, int]


class Held(NamedTuple):
    """What an order holds before a batch gives back."""

    version: int
    pieces: Pieces


def apply_writes(connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
    """Reserve what placed orders want; give back what cancelled and rejected ones no longer hold."""
    reserving = [each for each in writes if each.write.table == "reservation" and each.version == PLACED]
    giving_back = [each for each in writes if each.write.table == "release" or each.version > PLACED]
    if reserving:
        _reserve(connection, reserving)
    if giving_back:
        _give_back(connection, giving_back)


def _reserve(connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
    wanted = {each.subject_ref: each.write.values["pieces"] for each in writes}
    opened = {ref for (ref,) in connection.execute(OPEN, _rows(wanted)).fetchall()}
    flat = [(ref, sku, count) for ref in wanted if ref in opened for sku, count in wanted[ref].items()]
    refused: dict[str, dict[str, Json]] = {ref: {"sold_out": None, "short": 0} for ref in wanted if ref not in opened}
    if flat:
        refs, skus, counts = map(list, zip(*flat, strict=True))
        rows = connection.execute(RESERVE, {"order_refs": refs, "skus": skus, "pieces": counts})
        short = {ref: {"sold_out": sku, "short": missing} for ref, sku, missing in rows.fetchall() if sku is not None}
        if short:
            connection.execute(DROP, {"order_refs": list(short)})
        refused |= short
    append_all(connection, [_reserved_or_not(each, refused.get(each.subject_ref)) for each in writes])


def _reserved_or_not(each: NumberedWrite, refused: Mapping[str, Json] | None) -> Event:
    type_ = "StockReserved" if refused is None else "StockRefused"
    return _event(each, Outcome(type_, each.write.carry["order"], refused or {"sold_out": None, "short": 0}))


def _give_back(connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
    """Down to what each order holds after its newest event. An order that holds nothing here gives nothing back.

    A rejection that overtakes its order's reservation leaves an empty row, which keeps stock from being taken.
    """
    released = [each for each in writes if each.write.table == "release"]
    connection.execute(OPEN, _rows({each.subject_ref: {} for each in released}))
    newest = {each.subject_ref: each for each in sorted(writes, key=lambda each: each.version)}
    held = _held(connection, list(newest))
    kept = {
        ref: Held(max(held[ref].version, each.version), each.write.values.get("pieces", {}))
        for ref, each in newest.items()
        if ref in held and (each.write.table == "release" or held[ref].version < each.version)
    }
    _return_stock(connection, [(newest[ref], _difference(held[ref].pieces, kept[ref].pieces)) for ref in kept])
    versions = [each.version for each in kept.values()]
    connection.execute(KEEP, {**_rows({ref: each.pieces for ref, each in kept.items()}), "versions": versions})
    append_all(connection, [_released(each, held[each.subject_ref].pieces) for each in released])


def _released(each: NumberedWrite, pieces: Pieces) -> Event:
    return _event(
        each, Outcome("StockReleased", each.write.carry["order"], {"pieces": sum(pieces.values())}, COMPENSATION)
    )


def _return_stock(connection: PsycopgConnection, freed: Sequence[tuple[NumberedWrite, Pieces]]) -> None:
    skus = sorted({sku for _, pieces in freed for sku in pieces})
    if skus:
        connection.execute(LOCK_STOCK, {"skus": skus})
    for each, pieces in freed:
        if pieces:
            parameters = {"order_ref": each.subject_ref, "number": each.number, "skus": list(pieces)}
            connection.execute(GIVE_BACK, {**parameters, "pieces": list(pieces.values())})


def _held(connection: PsycopgConnection, refs: Sequence[str]) -> dict[str, Held]:
    rows = connection.execute(LOCK, {"order_refs": list(refs)}).fetchall()
    return {ref: Held(version, pieces) for ref, version, pieces in rows}


def _rows(pieces: Mapping[str, Pieces]) -> dict[str, object]:
    return {"order_refs": list(pieces), "pieces": [encode(each) for each in pieces.values()]}


def _difference(before: Pieces, after: Pieces) -> dict[str, int]:
    return {sku: count - after.get(sku, 0) for sku, count in sorted(before.items()) if count > after.get(sku, 0)}


def _event(each: NumberedWrite, emit: Outcome) -> Event:
    return emitted(STEP, each.subject_ref, emit, each.context)
