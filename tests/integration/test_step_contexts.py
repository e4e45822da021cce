"""The contexts' own rows under replays, old versions and lanes side by side."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

from new_services.recommendation.effects import apply_writes
from outbox.event import Event
from strangler.step.apply import NumberedWrite
from strangler.step.intents import Write
from tests.integration.contexts import connect, rows
from tests.support.orders import cancelled, placed, received
from tests.support.services import SERVICES

AFFINITY = "SELECT sku_a, sku_b, orders FROM recommendation.affinity ORDER BY 1, 2"


def handle(dsn: str, step: str, *events: Event) -> None:
    with connect(dsn, step) as connection:
        SERVICES[step].handler()(connection, received(events))


def test_a_document_never_goes_back_to_an_older_version(database: str) -> None:
    handle(database, "search", cancelled("a", "search=new", version=4))
    handle(database, "search", placed("a", "search=new"), cancelled("a", "search=new", whole=False))
    assert rows(database, "SELECT version, body ->> 'status' FROM search.document") == [(4, "cancelled")]


def test_the_newest_document_of_a_batch_is_kept(database: str) -> None:
    handle(database, "search", placed("a", "search=new"), cancelled("a", "search=new", whole=False))
    stored = rows(database, "SELECT version, body ->> 'version', body ->> 'total_minor' FROM search.document")
    assert stored == [(3, "3", "1045")]


def test_affinity_counts_each_order_once_under_replays(database: str) -> None:
    events = [placed(ref, "recommendation=new") for ref in ("a", "b", "c")]
    for _ in range(3):
        handle(database, "recommendation", *events)
    assert rows(database, AFFINITY) == [("A1", "B2", 3), ("A1", "C3", 3), ("B2", "C3", 3)]
    for _ in range(2):
        handle(database, "recommendation", cancelled("b", "recommendation=new"))
        handle(database, "recommendation", *events)
    assert rows(database, AFFINITY) == [("A1", "B2", 2), ("A1", "C3", 2), ("B2", "C3", 2)]
    assert rows(database, "SELECT version, skus FROM recommendation.basket WHERE order_ref = 'b'") == [(3, [])]


def test_an_older_basket_changes_neither_row_nor_counters(database: str) -> None:
    handle(database, "recommendation", cancelled("a", "recommendation=new"))
    handle(database, "recommendation", placed("a", "recommendation=new"))
    assert rows(database, AFFINITY) == []
    assert rows(database, "SELECT version FROM recommendation.basket") == [(3,)]


def test_lanes_that_share_popular_pairs_do_not_deadlock(database: str) -> None:
    rng = random.Random(11)
    popular = ["A", "b", "C", "_d", "E1", "é", "10", "9"]
    baskets = {f"o{number}": rng.sample(popular, 5) for number in range(200)}
    refs = list(baskets)

    def lane(start: int) -> None:
        for first in range(start * 50, start * 50 + 50, 10):
            writes = [
                NumberedWrite(ref, 1, 100, Write("basket", {"customer_id": None, "skus": baskets[ref]}))
                for ref in refs[first : first + 10]
            ]
            with connect(database, "recommendation") as connection:
                apply_writes(connection, writes)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lane, range(4)))
    expected = Counter(frozenset(pair) for skus in baskets.values() for pair in combinations(skus, 2))
    counted = {frozenset((one, other)): orders for one, other, orders in rows(database, AFFINITY)}
    assert counted == expected
