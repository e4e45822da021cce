"""Move authority: copy at a frontier without a lock, catch up, fence, compare, switch. Back again by the same path."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.pq import TransactionStatus

from outbox.connection import PsycopgConnection
from outbox.fault_points import FaultPoints
from strangler.errors import Refused, StranglerError
from strangler.shared_state.shared import Holder, Shared, other
from strangler.shared_state.table import (
    Authority,
    authorities,
    ensure_authorities,
    fence,
    limit_waits,
    retired_steps,
    switch,
    tally,
)
from strangler.step.intents import Json
from strangler.told import told

logger = logging.getLogger(__name__)

# A copy that finds few rows behind is near enough: the rest is copied under the fence, while writers wait.
NEAR_ROWS = 64
MOST_ROUNDS = 8
FRONTIER = "SELECT pg_current_wal_insert_lsn()::text"
SEE = "see `strangler authority show`"


@dataclass(frozen=True, slots=True)
class AuthorityMoved:
    """What was moved. `epoch` is None in a dry run; `evidence` as it stands in the audit."""

    resource: str
    from_holder: Holder
    to_holder: Holder
    epoch: int | None
    evidence: Mapping[str, Json]
    undo: str


@dataclass(frozen=True, slots=True)
class WantedMove:
    """What is asked for, by whom; `steps` need the resource."""

    resource: str
    shared: Shared
    steps: Sequence[str]
    to: Holder
    actor: str
    reason: str


def move(
    connection: PsycopgConnection,
    wanted: WantedMove,
    *,
    dry_run: bool = False,
    fault_points: FaultPoints | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AuthorityMoved | Refused:
    """Move one resource to `wanted.to`; COMMITS transactions of its own, the switch and its audit in the last one.

    Until the switch commits, the old holder stays the truth: a move that is refused or killed has only left a copy,
    which the next one brings up to date. Writers wait from the fence to the switch, at most 5 s and the last copy.
    """
    told(wanted.actor, wanted.reason)
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise StranglerError("a move commits its own transactions; commit or roll back the connection's first")
    with connection.transaction():
        held = _held(connection, wanted, dry_run=dry_run)
        refused = _refused(connection, wanted, held)
    if refused is not None:
        return refused
    points = fault_points or FaultPoints()
    try:
        if dry_run:
            with connection.transaction(force_rollback=True):
                return _moved(wanted, held, None, {"rounds": [_round(connection, wanted)]})
        rounds = _copied(connection, wanted)
        points.reach("authority.copied")
        with connection.transaction() as transaction:
            outcome = _switched(connection, wanted, held, rounds, lambda name: _reached(points, name, clock))
            if isinstance(outcome, Refused):
                raise psycopg.Rollback(transaction)
    except psycopg.errors.LockNotAvailable:
        return Refused(
            f"{wanted.resource} was not free to move for 5 s; nothing is changed",
            "find the transaction that holds it (pg_locks, pg_stat_activity), then move again",
        )
    logger.info("authority_moved", extra={"resource": wanted.resource, "to_holder": wanted.to.value})
    return outcome


def _reached(points: FaultPoints, name: str, clock: Callable[[], float]) -> float:
    points.reach(name)
    return clock()


def _held(connection: PsycopgConnection, wanted: WantedMove, *, dry_run: bool) -> Authority:
    if not dry_run:
        ensure_authorities(connection, [wanted.resource])
    found = authorities(connection).get(wanted.resource)
    (now,) = connection.execute("SELECT now()").fetchone() or (None,)
    return found or Authority(wanted.resource, Holder.LEGACY, 1, now)


def _refused(connection: PsycopgConnection, wanted: WantedMove, held: Authority) -> Refused | None:
    if held.holder is wanted.to:
        return Refused(f"{wanted.resource} is with {wanted.to} already", SEE)
    retired = retired_steps(connection, wanted.steps) if wanted.to is Holder.LEGACY else ()
    if retired:
        return Refused(
            f"{', '.join(retired)} is retired: legacy cannot keep {wanted.resource} any more", "leave it with new"
        )
    return None


def _copied(connection: PsycopgConnection, wanted: WantedMove) -> list[dict[str, Json]]:
    """Without a lock; each round is a transaction of its own and brings the copy up to its frontier."""
    rounds: list[dict[str, Json]] = []
    while len(rounds) < MOST_ROUNDS and (not rounds or rounds[-1]["rows"] > NEAR_ROWS):
        with connection.transaction():
            rounds.append(_round(connection, wanted))
    return rounds


def _round(connection: PsycopgConnection, wanted: WantedMove) -> dict[str, Json]:
    """The frontier says where the copy was taken; under the fence nobody writes, so there it is exact."""
    limit_waits(connection)
    (frontier,) = connection.execute(FRONTIER).fetchone() or ("",)
    return {"frontier": frontier, "rows": connection.execute(wanted.shared.copy_to[wanted.to]).rowcount}


def _switched(
    connection: PsycopgConnection,
    wanted: WantedMove,
    held: Authority,
    rounds: Sequence[Mapping[str, Json]],
    at: Callable[[str], float],
) -> AuthorityMoved | Refused:
    now_held = fence(connection, wanted.resource)
    began = at("authority.fenced")
    if (now_held.holder, now_held.epoch) != (held.holder, held.epoch):
        return Refused(f"{wanted.resource} was moved by somebody else meanwhile", SEE)
    last = _round(connection, wanted)
    refused, sums = _compared(connection, wanted)
    if refused is not None:
        return refused
    fenced_ms = round((at("authority.compared") - began) * 1000, 1)
    evidence = {"rounds": [*rounds, last], "sums": sums, "fenced_ms": fenced_ms}
    epoch = switch(connection, held, wanted.to, actor=wanted.actor, reason=wanted.reason, evidence=evidence)
    at("authority.switched")
    return _moved(wanted, held, epoch, evidence)


def _compared(connection: PsycopgConnection, wanted: WantedMove) -> tuple[Refused | None, Mapping[str, Json]]:
    """A second copy must find nothing to do, and both sides must count the same."""
    behind = connection.execute(wanted.shared.copy_to[wanted.to]).rowcount
    sums = {side.value: tally(connection, wanted.shared, side) for side in Holder}
    if behind == 0 and sums[Holder.LEGACY] == sums[Holder.NEW]:
        return None, sums
    return Refused(
        f"{wanted.resource} is not the same on both sides: {behind} rows still differ, legacy counts "
        f"{sums[Holder.LEGACY]}, new counts {sums[Holder.NEW]}; nothing is changed",
        f"compare the two tables; rows that only {wanted.to} has must be removed by hand",
    ), sums


def _moved(wanted: WantedMove, held: Authority, epoch: int | None, evidence: Mapping[str, Json]) -> AuthorityMoved:
    back = other(wanted.to)
    undo = f"strangler authority move {wanted.resource} --to {back} --reason ..."
    return AuthorityMoved(wanted.resource, held.holder, wanted.to, epoch, evidence, undo)
