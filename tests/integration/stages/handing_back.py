"""Subjects that a demotion has left with the new side, and a hand-back of them."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from outbox.connection import PsycopgConnection
from strangler.hand_back import HandBack, hand_back
from strangler.moves import advance, rollback
from strangler.ownership import Owner, Ownership
from strangler.stages import Stage
from strangler.step.claim import Claim, ClaimResult, claim
from tests.integration.stages.conftest import pin
from tests.integration.stages.plan import plan

STEP = "notification"
Environ = dict[str, str]


def taken_over(connection: PsycopgConnection, orders: list[str], steps: tuple[str, ...] = (STEP,)) -> None:
    """The steps at live, these orders pinned, then demoted to a ramp of 0."""
    for step in steps:
        for to, ramp_bp in ((Stage.SHADOW, None), (Stage.RAMP, 5_000), (Stage.LIVE, None)):
            advance(connection, plan, step, to=to, ramp_bp=ramp_bp, anyway=True, actor="test", reason="take over")
    for order_ref in orders:
        pin(connection, order_ref)
    for step in steps:
        rollback(connection, plan, step, actor="test", reason="too slow")


def run(environ: Mapping[str, str], step: str = STEP, timeout_s: float = 30.0) -> HandBack:
    return hand_back(plan, environ, step, actor="test", reason="too slow", timeout_s=timeout_s)


def act(dsn: str, order_ref: str) -> ClaimResult:
    """The new side gets the order's event."""
    with psycopg.connect(dsn, options="-c search_path=notification") as context:
        (result,) = claim(context, STEP, [Claim(order_ref, 100, 4)])
    return result


def owner(connection: PsycopgConnection, order_ref: str, step: str = STEP) -> Owner:
    row = connection.execute("SELECT owners FROM strangler.ownership WHERE subject_ref = %s", [order_ref]).fetchone()
    assert row is not None
    return Ownership.from_header(row[0]).of(step)


def audit(connection: PsycopgConnection) -> list[tuple[str, str, int, str, str, str]]:
    return connection.execute("""
        SELECT subject_ref, step, pinned_epoch, state, actor, reason FROM strangler.hand_back
        ORDER BY subject_ref, step""").fetchall()


def result(**counts: int) -> HandBack:
    names = ("handed_back", "started", "not_committed", "too_old", "failed", "elsewhere")
    return HandBack(STEP, Stage.RAMP, **{**dict.fromkeys(names, 0), **counts})


def requested(connection: PsycopgConnection, order_ref: str, state: str = "started", lease_s: int = 60) -> None:
    """A claim as the facade has it."""
    insert = """
        INSERT INTO strangler.idempotency (tenant, key, fingerprint, subject_ref, state, lease_until, expires_at)
        VALUES ('shop', %(ref)s, '', %(ref)s, %(state)s, now() + make_interval(secs => %(lease_s)s), now())"""
    connection.execute(insert, {"ref": order_ref, "state": state, "lease_s": lease_s})


def answered(connection: PsycopgConnection, order_ref: str) -> None:
    connection.execute("UPDATE strangler.idempotency SET state = 'done' WHERE subject_ref = %s", (order_ref,))
