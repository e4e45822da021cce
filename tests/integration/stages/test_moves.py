"""Moves: audited, strictly in order under concurrency, serialised with pins."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TypedDict

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.errors import BadInput, BadPlan, Refused, StranglerError
from strangler.moves import Moved, advance, rollback
from strangler.ownership import Owner, Ownership
from strangler.stages import PLACE, Stage
from strangler.store import ensure_steps, lock_stages, read_stages, share_stage_lock, stage_moves
from tests.integration.stages.conftest import pin
from tests.integration.stages.plan import plan
from tests.support.waiting import wait_until


class Who(TypedDict):
    """What every move is told for its audit."""

    actor: str
    reason: str


WHO: Who = {"actor": "test", "reason": "because"}
BLOCKED = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = %s"


def stages(connection: PsycopgConnection) -> dict[str, tuple[Stage, int]]:
    return {row.step: (row.stage, row.ramp_bp) for row in read_stages(connection).rows}


def test_a_step_is_walked_forward_and_back_and_all_of_it_is_audited(connection: PsycopgConnection) -> None:
    for ramp_bp in (None, 500, 2_500, None):
        assert isinstance(advance(connection, plan, "search", ramp_bp=ramp_bp, anyway=True, **WHO), Moved)
    back = rollback(connection, plan, "search", **WHO)

    assert isinstance(back, Moved)
    assert back.undo == "strangler advance search --to live --reason ..."
    assert stages(connection) == {"notification": (Stage.LEGACY, 0), "search": (Stage.RAMP, 0)}
    audit = [(made.epoch, str(made.move), made.actor, made.reason) for made in stage_moves(connection)]
    assert audit == [
        (6, "search: live -> ramp 0%", "test", "because"),
        (5, "search: ramp 25% -> live", "test", "because"),
        (4, "search: ramp 5% -> ramp 25%", "test", "because"),
        (3, "search: shadow -> ramp 5%", "test", "because"),
        (2, "search: legacy -> shadow", "test", "because"),
    ]


def test_a_demotion_from_live_takes_every_new_order_from_the_new_side_at_once(connection: PsycopgConnection) -> None:
    for to, ramp_bp in ((Stage.SHADOW, None), (Stage.RAMP, 9_000), (Stage.LIVE, None)):
        advance(connection, plan, "search", to=to, ramp_bp=ramp_bp, anyway=True, **WHO)
    assert pin(connection, "before").of("search") is Owner.NEW

    rollback(connection, plan, "search", **WHO)

    assert {pin(connection, f"after-{number}").of("search") for number in range(50)} == {Owner.SHADOW}


def test_a_rollback_to_legacy_passes_the_stages_between_in_one_transaction(connection: PsycopgConnection) -> None:
    advance(connection, plan, "search", anyway=True, **WHO)
    advance(connection, plan, "search", ramp_bp=5_000, anyway=True, **WHO)

    moved = rollback(connection, plan, "search", to=Stage.LEGACY, **WHO)

    assert isinstance(moved, Moved)
    assert [str(move) for move in moved.moves] == ["search: ramp 50% -> shadow", "search: shadow -> legacy"]
    assert moved.epochs == [4, 5]
    assert stages(connection)["search"] == (Stage.LEGACY, 0)


@pytest.mark.parametrize(
    ("to", "ramp_bp", "reason"),
    [
        (Stage.LIVE, None, "live is not its neighbour"),
        (Stage.RAMP, 500, "ramp is not its neighbour"),
        (Stage.LEGACY, None, "at legacy already"),
        (Stage.SHADOW, 500, "shadow has no ramp"),
    ],
)
def test_a_refused_move_changes_nothing(
    connection: PsycopgConnection, to: Stage, ramp_bp: int | None, reason: str
) -> None:
    refused = advance(connection, plan, "search", to=to, ramp_bp=ramp_bp, anyway=True, **WHO)

    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert read_stages(connection).epoch == 1
    assert stage_moves(connection) == []


def test_directions_have_their_verbs(connection: PsycopgConnection) -> None:
    assert isinstance(rollback(connection, plan, "search", **WHO), Refused)
    advance(connection, plan, "search", anyway=True, **WHO)

    backward = advance(connection, plan, "search", to=Stage.LEGACY, anyway=True, **WHO)
    forward = rollback(connection, plan, "search", to=Stage.RAMP, **WHO)

    assert isinstance(backward, Refused)
    assert "strangler rollback search --to legacy" in backward.next_step
    assert isinstance(forward, Refused)
    assert "strangler advance search --to ramp" in forward.next_step


def test_a_step_without_a_new_side_refuses_to_move(connection: PsycopgConnection) -> None:
    refused = advance(connection, plan, "payment", anyway=True, **WHO)

    assert isinstance(refused, Refused)
    assert "nobody has built payment's new side" in refused.reason


def test_an_unknown_step_and_an_empty_reason_are_usage_errors(connection: PsycopgConnection) -> None:
    with pytest.raises(BadPlan, match="known steps: payment, notification, search"):
        advance(connection, plan, "serach", anyway=True, **WHO)
    with pytest.raises(BadInput, match="the audit needs a reason"):
        advance(connection, plan, "search", actor="test", reason=" ")


def test_a_dry_run_says_and_does_not(connection: PsycopgConnection) -> None:
    moved = advance(connection, plan, "search", dry_run=True, anyway=True, **WHO)

    assert isinstance(moved, Moved)
    assert [str(move) for move in moved.moves] == ["search: legacy -> shadow"]
    assert moved.epochs == []
    assert read_stages(connection).epoch == 1


def test_a_move_is_not_hidden_in_somebody_elses_transaction(shop: str) -> None:
    with psycopg.connect(shop) as connection:
        connection.execute("SELECT 1")
        with pytest.raises(StranglerError, match="commits its own transaction"):
            advance(connection, plan, "search", anyway=True, **WHO)
        connection.rollback()
        assert isinstance(advance(connection, plan, "search", anyway=True, **WHO), Moved)


def test_steps_are_ensured_once_and_keep_their_salt(connection: PsycopgConnection) -> None:
    before = read_stages(connection)

    assert ensure_steps(connection, plan) == []
    assert read_stages(connection) == before
    assert len({row.salt for row in before.rows}) == 2


def test_epochs_strictly_increase_under_concurrent_moves(shop: str) -> None:
    """Four movers at random: the audit is gapless and each move begins where the step's last one ended."""

    def mover(seed: int) -> int:
        rng, made = random.Random(seed), 0
        with psycopg.connect(shop) as connection:
            for _ in range(15):
                step = rng.choice(["notification", "search"])
                if rng.random() < 0.6:
                    moved = advance(connection, plan, step, ramp_bp=rng.choice([None, 500, 2_500]), anyway=True, **WHO)
                else:
                    moved = rollback(connection, plan, step, **WHO)
                made += len(moved.epochs) if isinstance(moved, Moved) else 0
        return made

    with ThreadPoolExecutor(4) as pool:
        made = sum(pool.map(mover, range(4)))

    with psycopg.connect(shop) as connection:
        audit = list(reversed(stage_moves(connection, 1_000)))
        now = stages(connection)
        assert read_stages(connection).epoch == 1 + made
    assert made > 10
    assert [each.epoch for each in audit] == list(range(2, made + 2))
    at = dict.fromkeys(now, (Stage.LEGACY, 0))
    for each in audit:
        move = each.move
        assert at[move.step] == (move.from_stage, move.from_bp)
        assert abs(PLACE[move.to_stage] - PLACE[move.from_stage]) <= 1
        at[move.step] = (move.to_stage, move.to_bp)
    assert at == now


def test_a_move_waits_for_a_pin_under_way_and_the_next_pin_sees_it(shop: str) -> None:
    with psycopg.connect(shop) as pinning, psycopg.connect(shop) as moving, ThreadPoolExecutor(1) as pool:
        share_stage_lock(pinning)
        early = read_stages(pinning).epoch
        move = pool.submit(lambda: advance(moving, plan, "search", anyway=True, **WHO))
        until_blocked(shop, moving.info.backend_pid)
        assert read_stages(pinning).epoch == early
        pinning.commit()

        assert isinstance(move.result(timeout=30), Moved)
        share_stage_lock(pinning)
        assert read_stages(pinning).epoch == early + 1


def test_a_pin_waits_for_a_move_under_way_and_reads_the_new_stage(shop: str) -> None:
    with psycopg.connect(shop) as moving, psycopg.connect(shop) as pinning, ThreadPoolExecutor(1) as pool:
        lock_stages(moving)
        waiting = pool.submit(pin, pinning, "order-1")
        until_blocked(shop, pinning.info.backend_pid)
        moving.execute("UPDATE strangler.stage SET stage = 'shadow' WHERE step = 'search'")
        moving.execute("UPDATE strangler.epoch SET epoch = 2")
        moving.commit()

        assert waiting.result(timeout=30) == Ownership(2, {"search": Owner.SHADOW})


def test_a_stuck_pin_is_named_instead_of_blocking_the_shop(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strangler.store.MOVE_LOCK_TIMEOUT", "SELECT set_config('lock_timeout', '200ms', true)")
    with psycopg.connect(shop) as pinning, psycopg.connect(shop) as moving, ThreadPoolExecutor(1) as pool:
        share_stage_lock(pinning)
        move = pool.submit(lambda: advance(moving, plan, "search", anyway=True, **WHO))
        refused = move.result(timeout=30)

        assert isinstance(refused, Refused)
        assert "not free to move" in refused.reason


def until_blocked(dsn: str, pid: int) -> None:
    """Until that backend waits for an advisory lock."""
    with psycopg.connect(dsn, autocommit=True) as watching:
        wait_until(lambda: watching.execute(BLOCKED, (pid,)).fetchone() == (1,))
