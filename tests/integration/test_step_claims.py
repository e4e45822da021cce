"""Claims decide every race: between handlers, and between a handler and a hand-back."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from strangler.hand_back.tables import claimed as claimed_orders
from strangler.step.claim import Claim, ClaimResult, TombstoneResult, claim, shed, tombstone
from tests.integration.contexts import connect, rows, waiting_backends
from tests.support.waiting import wait_until

WON, APPLIED, HANDED_BACK = ClaimResult.WON, ClaimResult.APPLIED, ClaimResult.HANDED_BACK


def claimed(dsn: str, *wanted: Claim) -> list[ClaimResult]:
    with connect(dsn, "search") as connection:
        return claim(connection, "search", wanted)


def handed_back(dsn: str, order_ref: str) -> TombstoneResult:
    with connect(dsn, "search") as connection:
        return tombstone(connection, subject_ref=order_ref, step="search", epoch=8)


def test_eight_threads_win_each_claim_once(database: str) -> None:
    wanted = [Claim(f"o{order}", number, 7) for order in range(20) for number in (100, 200)]
    start = threading.Barrier(8, timeout=30)

    def compete(turn: int) -> list[tuple[str, int]]:
        mine = wanted[turn:] + wanted[:turn]
        start.wait()
        results = claimed(database, *mine)
        return [(one.subject_ref, one.number) for one, result in zip(mine, results, strict=True) if result is WON]

    with ThreadPoolExecutor(8) as pool:
        wins = Counter(key for keys in pool.map(compete, range(8)) for key in keys)
    assert wins == {(one.subject_ref, one.number): 1 for one in wanted}
    assert rows(database, "SELECT count(*), min(epoch), max(kind) FROM search.claim") == [(40, 7, "applied")]


def test_a_claim_is_won_once_and_then_known_as_applied(database: str) -> None:
    assert claimed(database, Claim("o1", 100, 7)) == [WON]
    assert claimed(database, Claim("o1", 100, 7), Claim("o1", 200, 7)) == [APPLIED, WON]


def test_a_rolled_back_claim_leaves_nothing(database: str) -> None:
    with connect(database, "search") as connection:
        assert claim(connection, "search", [Claim("o1", 100, 7)]) == [WON]
        connection.rollback()
    assert claimed(database, Claim("o1", 100, 7)) == [WON]


def test_a_tombstone_refuses_every_version_of_a_zombie(database: str) -> None:
    assert handed_back(database, "o1") is TombstoneResult.PLACED
    assert claimed(database, Claim("o1", 100, 7), Claim("o1", 200, 7)) == [HANDED_BACK, HANDED_BACK]
    assert claimed(database, Claim("o1", 200, 7)) == [HANDED_BACK]
    assert handed_back(database, "o1") is TombstoneResult.ALREADY
    assert rows(database, "SELECT subject_ref, number, kind, epoch FROM search.claim") == [("o1", 100, "tombstone", 8)]


def test_a_started_order_is_not_handed_back(database: str) -> None:
    claimed(database, Claim("o1", 100, 7))
    assert handed_back(database, "o1") is TombstoneResult.STARTED
    assert handed_back(database, "o2") is TombstoneResult.PLACED


def test_an_order_of_which_only_a_later_version_was_seen_has_started(database: str) -> None:
    claimed(database, Claim("o1", 200, 7))
    assert handed_back(database, "o1") is TombstoneResult.STARTED


def test_another_step_of_the_order_is_another_matter(database: str) -> None:
    with connect(database, "search") as connection:
        tombstone(connection, subject_ref="o1", step="else", epoch=8)
    assert claimed(database, Claim("o1", 100, 7)) == [WON]


def test_a_batch_that_waits_for_a_tombstone_loses_the_later_versions_too(database: str) -> None:
    with connect(database, "search") as moving, ThreadPoolExecutor(1) as pool:
        assert tombstone(moving, subject_ref="o1", step="search", epoch=8) is TombstoneResult.PLACED
        zombie = pool.submit(claimed, database, Claim("o1", 100, 7), Claim("o1", 200, 7), Claim("o2", 100, 7))
        wait_until(lambda: waiting_backends(database) == 1)
        moving.commit()
        assert zombie.result(30) == [HANDED_BACK, HANDED_BACK, WON]


def test_a_step_of_later_versions_alone_waits_for_a_tombstone_too(database: str) -> None:
    with connect(database, "search") as moving, ThreadPoolExecutor(1) as pool:
        assert tombstone(moving, subject_ref="o1", step="search", epoch=8) is TombstoneResult.PLACED
        zombie = pool.submit(claimed, database, Claim("o1", 200, 7), Claim("o2", 200, 7))
        wait_until(lambda: waiting_backends(database) == 1)
        moving.commit()
        assert zombie.result(30) == [HANDED_BACK, WON]


@pytest.mark.parametrize("number", [100, 200], ids=["first version", "later version"])
def test_a_tombstone_that_waits_for_a_handler_finds_the_order_started(database: str, number: int) -> None:
    with connect(database, "search") as handler, ThreadPoolExecutor(1) as pool:
        claim(handler, "search", [Claim("o1", number, 7)])
        moving = pool.submit(handed_back, database, "o1")
        wait_until(lambda: waiting_backends(database) == 1)
        handler.commit()
        assert moving.result(30) is TombstoneResult.STARTED


@pytest.mark.parametrize("number", [100, 200], ids=["first version", "later version"])
def test_a_tombstone_that_waits_for_a_handler_that_rolls_back_is_placed(database: str, number: int) -> None:
    with connect(database, "search") as handler, ThreadPoolExecutor(1) as pool:
        claim(handler, "search", [Claim("o1", number, 7)])
        moving = pool.submit(handed_back, database, "o1")
        wait_until(lambda: waiting_backends(database) == 1)
        handler.rollback()
        assert moving.result(30) is TombstoneResult.PLACED


def test_a_handler_that_goes_on_to_later_versions_and_a_tombstone_do_not_wait_for_each_other(database: str) -> None:
    with connect(database, "search") as handler, ThreadPoolExecutor(1) as pool:
        claim(handler, "search", [Claim("o1", 100, 7)])
        moving = pool.submit(handed_back, database, "o1")
        wait_until(lambda: waiting_backends(database) == 1)
        assert claim(handler, "search", [Claim("o2", 200, 7)]) == [WON]  # another part of the same run
        handler.commit()
        assert moving.result(30) is TombstoneResult.STARTED


def shed_by(dsn: str, *wanted: Claim, clause: str = "policy:recommendation.sampling.keep=0.25") -> None:
    with connect(dsn, "recommendation") as connection:
        assert claim(connection, "recommendation", wanted) == [WON] * len(wanted)
        shed(connection, "recommendation", wanted, clause)


KINDS = "SELECT subject_ref, number, kind, clause FROM recommendation.claim ORDER BY 1, 2"


def test_what_was_shed_is_taken_over_once(database: str) -> None:
    """Its clause stays: the row tells that it was given up first."""
    wanted = [Claim("o1", 100, 7), Claim("o1", 200, 7)]
    shed_by(database, *wanted, clause="policy:a.b=c")
    assert rows(database, KINDS) == [("o1", 100, "shed", "policy:a.b=c"), ("o1", 200, "shed", "policy:a.b=c")]
    start = threading.Barrier(4, timeout=30)

    def take_over(_: int) -> list[ClaimResult]:
        start.wait()
        with connect(database, "recommendation") as connection:
            return claim(connection, "recommendation", wanted)

    with ThreadPoolExecutor(4) as pool:
        results = Counter(result for found in pool.map(take_over, range(4)) for result in found)
    assert results == {WON: 2, APPLIED: 6}
    assert {kind for _, _, kind, _ in rows(database, KINDS)} == {"applied"}


@pytest.mark.parametrize("number", [100, 200])
def test_an_order_of_which_something_was_shed_has_started(database: str, number: int) -> None:
    """It stays the new side's: a replay there makes up for it."""
    shed_by(database, Claim("o1", number, 7))
    with connect(database, "recommendation") as connection:
        assert tombstone(connection, subject_ref="o1", step="recommendation", epoch=8) is TombstoneResult.STARTED
        assert claimed_orders(connection, "recommendation", ["o1", "o2"]) == {"o1": True}
        assert claim(connection, "recommendation", [Claim("o1", 100, 7), Claim("o1", 200, 7)]) == [WON, WON]


def test_a_claim_keeps_how_many_intents_it_stands_for_and_their_digests(database: str) -> None:
    """A step that wanted nothing differs from one of which nothing is known."""
    claimed(database, Claim("o1", 100, 7, "3f5a 99ab"), Claim("o1", 200, 7, ""), Claim("o1", 300, 7))
    handed_back(database, "o2")
    kept = rows(database, "SELECT number, intents, digest FROM search.claim WHERE kind = 'applied' ORDER BY number")
    assert kept == [(100, 2, "3f5a 99ab"), (200, 0, ""), (300, None, None)]
    assert rows(database, "SELECT intents, digest FROM search.claim WHERE kind = 'tombstone'") == [(None, None)]


def test_what_is_given_up_keeps_none_and_whoever_takes_it_over_its_own(database: str) -> None:
    shed_by(database, Claim("o1", 100, 7, "3f5a"))
    assert rows(database, "SELECT intents, digest FROM recommendation.claim") == [(None, None)]
    with connect(database, "recommendation") as connection:
        claim(connection, "recommendation", [Claim("o1", 100, 7, "77cc")])
    assert rows(database, "SELECT intents, digest FROM recommendation.claim") == [(1, "77cc")]
