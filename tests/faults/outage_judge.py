"""What an outage has done, from the data alone: the vendor's ledgers, the contexts' tables, the events as published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import psycopg

from legacy_app.plan.choreography import choreography
from legacy_app.rehearsal.accounts.charges import read_charges
from legacy_app.rehearsal.accounts.vendor_ledger import read_ledger
from outbox.event import ReceivedEvent
from strangler.choreography import Standing, audit
from tests.faults.outage_orders import Orders
from tests.support.topic_reader import read_events

PARTITIONS = 4
TOPICS = ("fraud", "inventory", "payment", "order")
ENDS = (Standing.DONE, Standing.COMPENSATED, Standing.QUARANTINED)
# What may follow what in the life of an order; two events of one rank exclude each other or compensate two steps.
RANK: Mapping[str, int] = {
    "OrderReceived": -1,
    "FraudCleared": 0,
    "StockReserved": 1,
    "StockRefused": 1,
    "PaymentTaken": 2,
    "PaymentRefused": 2,
    "OrderPlaced": 3,
    "OrderRejected": 3,
    "StockReleased": 4,
    "PaymentRefunded": 4,
}
CALLS = "SELECT count(*), coalesce(sum(attempts), 0) FROM payment.effect"
REJECTED = "SELECT order_ref FROM legacy.orders WHERE status = 'rejected'"
HELD = """
SELECT sku, on_hand, coalesce((SELECT sum(pieces) FROM inventory.stock_hold AS hold WHERE hold.sku = stock.sku), 0)
FROM legacy.stock AS stock"""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`attempts`: HTTP calls that the instances made; `vendor_requests`: those of which the vendor has an effect.

    `oversold_skus`: by the tables, `oversold_skus_replayed`: at any time, by the events in the order of their commits;
    also where both do not agree.
    `double_charges`: orders with more than one charge that was not given back; `unpaid`, `kept_money`: orders that were
    placed without one, or rejected with one. `lost`: orders without an outcome of a step that they came to.
    `doubled`: events that an order has twice. `inversions`: events of an order that are before what they follow.
    """

    deliveries: int
    attempts: int
    vendor_requests: int
    oversold_skus: int
    oversold_skus_replayed: int
    double_charges: int
    unpaid: int
    kept_money: int
    standing: Mapping[str, int]
    not_ended: int
    lost: int
    doubled: int
    inversions: int


def judge(dsn: str, vendors_url: str, history: Sequence[ReceivedEvent], orders: Orders) -> Judgement:
    """For a system at rest."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = audit(connection, choreography)
        deliveries, attempts = connection.execute(CALLS).fetchone() or (0, 0)
        held = connection.execute(HELD).fetchall()
        rejected = {ref for (ref,) in connection.execute(REJECTED)}
    kept = Counter(charge.order_ref for charge in read_charges(vendors_url) if not charge.refunded)
    asked = [entry["requests"] for book in ("payments", "refunds") for entry in read_ledger(vendors_url, book)]
    refs, stock = orders.refs, orders.stock
    standing = {one.value: found.counts[one] for one in Standing}
    return Judgement(
        deliveries=deliveries,
        attempts=int(attempts),
        vendor_requests=sum(asked),
        oversold_skus=sum(
            on_hand < 0 or pieces > stock[sku] or on_hand + pieces != stock[sku] for sku, on_hand, pieces in held
        ),
        oversold_skus_replayed=len(oversold(history, stock, {sku: pieces for sku, _, pieces in held})),
        double_charges=sum(count > 1 for count in kept.values()),
        unpaid=sum(not kept[ref] for ref in refs if ref not in rejected),
        kept_money=sum(bool(kept[ref]) for ref in refs if ref in rejected),
        standing=standing,
        not_ended=len(refs) - sum(found.counts[one] for one in ENDS),
        **account(history, refs),
    )


def published(bootstrap: str, prefix: str) -> list[ReceivedEvent]:
    """Every event once, in the order of its commit."""
    events = {one.event.id: one for topic in TOPICS for one in read_events(bootstrap, f"{prefix}{topic}", PARTITIONS)}
    return sorted(events.values(), key=_committed_at)


def _committed_at(one: ReceivedEvent) -> tuple[int, int]:
    assert one.position is not None, f"{one.topic}/{one.partition}@{one.offset} is not from the relay"
    return one.position.lsn, one.position.ordinal


def oversold(history: Sequence[ReceivedEvent], stock: Mapping[str, int], held: Mapping[str, int]) -> set[str]:
    """SKUs of which more was reserved than there was, at any commit, or not what the tables say in the end."""
    reserved: Counter[str] = Counter()
    found = set()
    for one in history:
        sign = {"StockReserved": 1, "StockReleased": -1}.get(one.event.type, 0)
        if sign:
            for line in json.loads(one.event.payload)["lines"]:
                reserved[line["sku"]] += sign * (line["quantity"] - line["cancelled"])
            found |= {sku for sku, pieces in reserved.items() if pieces > stock[sku]}
    return found | {sku for sku, pieces in held.items() if reserved[sku] != pieces}


def account(history: Sequence[ReceivedEvent], refs: Sequence[str]) -> Mapping[str, int]:
    lives: dict[str, list[str]] = {ref: [] for ref in refs}
    for one in history:
        lives[one.event.aggregate_id].append(one.event.type)
    return {
        "lost": sum(_lost(set(life)) for life in lives.values()),
        "doubled": sum(len(life) - len(set(life)) for life in lives.values()),
        "inversions": sum(RANK[later] < RANK[earlier] for life in lives.values() for earlier, later in pairwise(life)),
    }


def _lost(life: set[str]) -> bool:
    if not life & {"StockReserved", "StockRefused"}:
        return True
    return "StockReserved" in life and not life & {"PaymentTaken", "PaymentRefused"}
