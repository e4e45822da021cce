"""Stock under concurrency: no deadlock, no piece lost or doubled, none sold that is not there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from tests.integration.stock.rig import Answer, Wanted, deliver, give_back, held, on_hand, reserve, until_blocked

HOLDERS = ("legacy", "new")
Work = Callable[[PsycopgConnection, int], None]


def together(dsn: str, workers: int, work: Work) -> None:
    """Run `work` in so many threads that begin at once, each on a connection of its own; the first error is raised."""
    begin = Barrier(workers)

    def one(number: int) -> None:
        with psycopg.connect(dsn, options="-c deadlock_timeout=50ms") as connection:
            begin.wait(30)
            work(connection, number)

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(one, number) for number in range(workers)]:
            future.result(timeout=60)


@pytest.mark.parametrize("holder", HOLDERS)
def test_batches_that_share_skus_in_other_orders_never_deadlock(database: str, holder: str) -> None:
    skus = [f"SKU{number}" for number in range(12)]
    with psycopg.connect(database, autocommit=True) as connection:
        deliver(connection, holder, dict.fromkeys(skus[::3], 1000000))  # the others arrive in the race

    def work(connection: PsycopgConnection, number: int) -> None:
        rng = random.Random(number)
        for turn in range(40):
            batch = [(f"{number}-{turn}-{rng.randrange(4)}", rng.choice(skus), 1 + rng.randrange(9)) for _ in skus]
            reserve(connection, *batch)
            if turn % 2:
                ref = rng.choice(batch)[0]
                mine: Counter[str] = Counter()
                for order_ref, sku, pieces in batch:
                    mine[sku] += pieces if order_ref == ref else 0
                give_back(connection, ref, 150, +mine)
            connection.commit() if turn % 5 else connection.rollback()

    together(database, 4, work)

    with psycopg.connect(database) as connection:
        kept = held(connection)
        assert sum(kept.values()) > 1000
        assert on_hand(connection, holder) == {sku: 1_000_000 - kept.get(sku, 0) for sku in skus}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_hot_sku_is_sold_to_the_last_piece_and_not_beyond(database: str, holder: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        deliver(connection, holder, {"HOT": 100, "COLD": 1000})
    answers: list[Answer] = []

    def work(connection: PsycopgConnection, number: int) -> None:
        for turn in range(20):
            batch = [(f"{number}-{turn}-{place}", sku, 1) for place in range(3) for sku in ("COLD", "HOT")]
            answers.extend(reserve(connection, *batch))
            connection.commit()

    together(database, 4, work)

    assert len(answers) == 240
    assert sum(sold_out is None for _, sold_out, _ in answers) == 100
    assert {(sold_out, short) for _, sold_out, short in answers} == {(None, None), ("HOT", 1)}
    with psycopg.connect(database) as connection:
        assert on_hand(connection, holder) == {"HOT": 0, "COLD": 900}


def test_an_order_that_two_bring_at_once_takes_its_pieces_once(database: str) -> None:
    with (
        psycopg.connect(database) as first,
        psycopg.connect(database) as second,
        psycopg.connect(database, autocommit=True) as watch,
        ThreadPoolExecutor(1) as pool,
    ):
        reserve(first, ("one", "A", 3))
        waiting = pool.submit(reserve, second, ("one", "A", 3), ("two", "B", 1))
        until_blocked(watch, second)
        first.commit()

        assert waiting.result(timeout=30) == [("one", None, None), ("two", None, None)]
        second.commit()
        assert on_hand(watch, "legacy") == {"A": 999_997, "B": 999_999}


def test_pieces_that_two_give_back_at_once_come_back_once(database: str) -> None:
    with (
        psycopg.connect(database) as first,
        psycopg.connect(database) as second,
        psycopg.connect(database, autocommit=True) as watch,
        ThreadPoolExecutor(1) as pool,
    ):
        reserve(watch, ("one", "A", 3))
        give_back(first, "one", 150, {"A": 3})
        waiting = pool.submit(give_back, second, "one", 150, {"A": 3})
        until_blocked(watch, second)
        first.commit()

        waiting.result(timeout=30)
        second.commit()
        assert on_hand(watch, "legacy") == {"A": 1_000_000}


@pytest.mark.parametrize("holder", HOLDERS)
def test_any_sequence_of_batches_ends_as_one_order_after_the_other_would(database: str, holder: str) -> None:
    rng = random.Random(7)
    skus = [f"SKU{number}" for number in range(5)]
    shelf = dict.fromkeys(skus, 40)
    taken: dict[str, Counter[str]] = {}
    refused = 0
    with psycopg.connect(database, autocommit=True) as connection:
        deliver(connection, holder, shelf)
        for turn in range(150):
            batch = [(f"{turn - rng.randrange(3)}-{rng.randrange(3)}", rng.choice(skus), 1 + rng.randrange(6))
                     for _ in range(1 + rng.randrange(7))]  # fmt: skip
            expected = served_one_by_one(batch, shelf, taken)
            assert reserve(connection, *batch) == expected
            refused += sum(sku is not None for _, sku, _ in expected)
            if taken and rng.random() < 0.8:
                ref = rng.choice(sorted(taken))
                pieces = +taken[ref]
                taken[ref] = Counter()
                give_back(connection, ref, 150, pieces)
                for sku, count in pieces.items():
                    shelf[sku] += count
            assert on_hand(connection, holder) == shelf
    assert 50 < refused < 400


def served_one_by_one(
    batch: Sequence[Wanted], shelf: dict[str, int], taken: dict[str, Counter[str]]
) -> Sequence[Answer]:
    """What the statement must answer, said as plainly as possible; changes `shelf` and `taken`."""
    orders: dict[str, Counter[str]] = {}
    for ref, sku, pieces in batch:
        orders.setdefault(ref, Counter())[sku] += pieces
    return [(ref, *_served(ref, wanted, shelf, taken)) for ref, wanted in orders.items()]


def _served(
    ref: str, wanted: Mapping[str, int], shelf: dict[str, int], taken: dict[str, Counter[str]]
) -> tuple[str | None, int | None]:
    if ref in taken:
        return None, None
    for sku in sorted(wanted):
        if wanted[sku] > shelf[sku]:
            return sku, wanted[sku] - shelf[sku]
    for sku, pieces in wanted.items():
        shelf[sku] -= pieces
    taken[ref] = Counter(wanted)
    return None, None
