"""Authority over stock: moved there and back without losing or doubling a piece, and only when both sides agree."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import psycopg
import pytest

from legacy_app.plan.authority import stock
from outbox.connection import PsycopgConnection
from strangler.errors import BadInput, BadPlan, Refused, StranglerError
from strangler.shared_state import (
    AuthorityMoved,
    Holder,
    WantedMove,
    authorities,
    authority_moves,
    ensure_authorities,
    move,
)
from tests.integration.stock.rig import deliver, give_back, held, on_hand, reserve, until_blocked
from tests.support.waiting import wait_until

HOLDS = "SELECT sku, pieces FROM inventory.stock_hold WHERE order_ref = %s AND number = 100"
TO_NEW = WantedMove("stock", stock, ("inventory",), Holder.NEW, "ann", "inventory is live")
TO_LEGACY = replace(TO_NEW, to=Holder.LEGACY, reason="and back")


@pytest.fixture
def connection(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


def moved(connection: PsycopgConnection, wanted: WantedMove) -> AuthorityMoved:
    outcome = move(connection, wanted)
    assert isinstance(outcome, AuthorityMoved), outcome
    return outcome


def refusal(connection: PsycopgConnection, wanted: WantedMove) -> str:
    outcome = move(connection, wanted)
    assert isinstance(outcome, Refused), outcome
    assert outcome.next_step
    return outcome.reason


def test_stock_moves_and_the_audit_holds_the_sums_of_both_sides(connection: PsycopgConnection) -> None:
    deliver(connection, "legacy", {"A": 10, "B": 20})
    reserve(connection, ("one", "A", 3))

    first = moved(connection, TO_NEW)
    reserve(connection, ("two", "A", 1), ("two", "C", 1))
    second = moved(connection, TO_LEGACY)
    give_back(connection, "one", 150, {"A": 3})

    assert on_hand(connection, "legacy") == {"A": 9, "B": 20, "C": 999_999}
    assert authorities(connection)["stock"].holder is Holder.LEGACY
    back, there = authority_moves(connection)
    assert [(made.epoch, made.from_holder, made.to_holder, made.actor, made.reason) for made in (there, back)] == [
        (2, Holder.LEGACY, Holder.NEW, "ann", "inventory is live"),
        (3, Holder.NEW, Holder.LEGACY, "ann", "and back"),
    ]
    assert there.evidence["sums"] == {"legacy": {"skus": 2, "pieces": 27}, "new": {"skus": 2, "pieces": 27}}
    assert [one["rows"] for one in there.evidence["rounds"]] == [2, 0]
    assert [one["rows"] for one in back.evidence["rounds"]] == [2, 0]
    assert back.evidence["rounds"][0]["frontier"]
    assert back.evidence["fenced_ms"] >= 0
    assert (first.undo, second.undo) == (
        "strangler authority move stock --to legacy --reason ...",
        "strangler authority move stock --to new --reason ...",
    )


def test_what_an_order_holds_is_known_on_either_side(connection: PsycopgConnection) -> None:
    reserve(connection, ("one", "A", 3))
    moved(connection, TO_NEW)

    reserve(connection, ("one", "A", 3))
    give_back(connection, "one", 150, {"A": 3})
    give_back(connection, "one", 150, {"A": 3})

    assert on_hand(connection, "new") == {"A": 1_000_000}


def test_moves_under_load_lose_and_double_no_piece(database: str) -> None:
    skus = [f"SKU{number}" for number in range(30)]
    done, batches = Event(), [0] * 3

    def orders(number: int) -> None:
        rng = random.Random(number)
        with psycopg.connect(database) as connection:
            while not done.is_set():
                batches[number] += 1
                ref = f"{number}-{batches[number]}"
                reserve(connection, *[(ref, sku, 1 + rng.randrange(5)) for sku in rng.sample(skus, 4)])
                if rng.random() < 0.3:
                    give_back(connection, ref, 150, dict(connection.execute(HOLDS, (ref,)).fetchall()))
                connection.rollback() if rng.random() < 0.1 else connection.commit()

    with psycopg.connect(database, autocommit=True) as connection, ThreadPoolExecutor(3) as pool:
        deliver(connection, "legacy", dict.fromkeys(skus[:20], 1_000_000))
        running = [pool.submit(orders, number) for number in range(3)]
        try:
            for turn in range(12):
                before = sum(batches)
                outcome = moved(connection, (TO_NEW, TO_LEGACY)[turn % 2])
                sums = outcome.evidence["sums"]
                assert sums["new"] == sums["legacy"]
                wait_until(
                    lambda before=before: sum(batches) >= before + 5 or any(one.done() for one in running)  # type: ignore[misc] # bound at once
                )
        finally:
            done.set()
        for one in running:
            one.result(timeout=30)

        taken = held(connection)
        assert sum(taken.values()) > 100
        expected = {sku: 1_000_000 - taken.get(sku, 0) for sku in on_hand(connection, "legacy")}
        assert on_hand(connection, "legacy") == expected
        assert set(taken) <= set(expected)


def test_a_reservation_under_way_is_waited_for_even_before_the_resource_has_a_row(
    database: str, connection: PsycopgConnection
) -> None:
    with (
        psycopg.connect(database) as busy,
        psycopg.connect(database, autocommit=True) as mover,
        ThreadPoolExecutor(1) as pool,
    ):
        reserve(busy, ("one", "A", 3))
        moving = pool.submit(moved, mover, TO_NEW)
        until_blocked(connection, mover)
        busy.commit()

        assert moving.result(timeout=30).evidence["sums"]["new"] == {"skus": 1, "pieces": 999_997}


def test_reservations_that_overlap_without_a_gap_do_not_starve_a_move(
    database: str, connection: PsycopgConnection
) -> None:
    with (
        psycopg.connect(database) as first,
        psycopg.connect(database) as second,
        psycopg.connect(database, autocommit=True) as mover,
        ThreadPoolExecutor(2) as pool,
    ):
        reserve(first, ("one", "A", 3))
        moving = pool.submit(moved, mover, TO_NEW)
        until_blocked(connection, mover)
        behind = pool.submit(reserve, second, ("two", "B", 1))
        until_blocked(connection, second)  # it waits behind the move, though nobody has B
        first.commit()

        moving.result(timeout=30)
        assert behind.result(timeout=30) == [("two", None, None)]
        second.commit()
    assert on_hand(connection, "new") == {"A": 999_997, "B": 999_999}


def test_a_move_gives_up_after_five_seconds_and_has_changed_nothing(
    database: str, connection: PsycopgConnection
) -> None:
    with psycopg.connect(database) as busy:
        reserve(busy, ("one", "A", 3))
        assert "was not free to move for 5 s" in refusal(connection, TO_NEW)
    assert authorities(connection)["stock"].holder is Holder.LEGACY
    moved(connection, TO_NEW)


def test_sides_that_do_not_agree_are_not_switched(connection: PsycopgConnection) -> None:
    deliver(connection, "legacy", {"A": 10})
    connection.execute("INSERT INTO inventory.stock (sku, on_hand) VALUES ('GHOST', 5)")

    said = refusal(connection, TO_NEW)

    assert "legacy counts {'skus': 1, 'pieces': 10}, new counts {'skus': 2, 'pieces': 15}" in said
    assert authorities(connection)["stock"].holder is Holder.LEGACY
    assert authority_moves(connection) == []


def test_sums_that_agree_by_chance_do_not_hide_rows_that_differ(connection: PsycopgConnection) -> None:
    deliver(connection, "legacy", {"A": 10, "B": 20})
    lazy = replace(stock, copy_to={**stock.copy_to, Holder.NEW: FORGETFUL})
    assert "rows still differ" in refusal(connection, replace(TO_NEW, shared=lazy))


# A copy that never gets there: each run of it changes the two rows once more.
FORGETFUL = """
INSERT INTO inventory.stock AS stock (sku, on_hand) VALUES ('A', 20), ('B', 10)
ON CONFLICT (node, sku) DO UPDATE SET on_hand = excluded.on_hand"""


def test_a_move_that_is_made_already_is_refused(connection: PsycopgConnection) -> None:
    assert refusal(connection, TO_LEGACY) == "stock is with legacy already"
    moved(connection, TO_NEW)
    assert refusal(connection, TO_NEW) == "stock is with new already"


def test_a_retired_step_leaves_no_legacy_to_go_back_to(connection: PsycopgConnection) -> None:
    moved(connection, TO_NEW)
    connection.execute("INSERT INTO strangler.stage (step, stage, salt) VALUES ('inventory', 'retired', 's')")
    assert refusal(connection, TO_LEGACY) == "inventory is retired: legacy cannot keep stock any more"


def test_a_dry_run_says_how_much_there_is_to_copy_and_changes_nothing(connection: PsycopgConnection) -> None:
    deliver(connection, "legacy", {"A": 10, "B": 20})

    tried = move(connection, TO_NEW, dry_run=True)

    assert isinstance(tried, AuthorityMoved)
    assert (tried.epoch, tried.evidence["rounds"][0]["rows"]) == (None, 2)
    assert on_hand(connection, "new") == {}
    assert authorities(connection)["stock"].epoch == 1


def test_a_dry_run_adds_no_row(connection: PsycopgConnection) -> None:
    move(connection, TO_NEW, dry_run=True)
    assert authorities(connection) == {}


def test_a_move_needs_an_actor_a_reason_and_its_own_transactions(database: str, connection: PsycopgConnection) -> None:
    for wanted in (replace(TO_NEW, actor=" "), replace(TO_NEW, reason="")):
        with pytest.raises(BadInput, match=r"the audit needs an? "):
            move(connection, wanted)
    with psycopg.connect(database) as busy:
        busy.execute("SELECT 1")
        with pytest.raises(StranglerError, match="commit or roll back"):
            move(busy, TO_NEW)


def test_a_tally_that_is_no_row_is_the_plans_mistake(connection: PsycopgConnection) -> None:
    bad = replace(stock, tally=dict.fromkeys(Holder, "SELECT 1 AS skus WHERE false"))
    with pytest.raises(BadPlan, match="exactly one"):
        move(connection, replace(TO_NEW, shared=bad))


def test_the_rows_are_added_once(connection: PsycopgConnection) -> None:
    assert list(ensure_authorities(connection, ["velocity", "stock"])) == ["stock", "velocity"]
    moved(connection, TO_NEW)
    assert list(ensure_authorities(connection, ["velocity", "stock"])) == []
    assert authorities(connection)["stock"].holder is Holder.NEW
