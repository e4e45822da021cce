"""The new side of the middle as the monolith sees it: for each order that waits, outcomes are stored, nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from strangler.continuation.table import StepOutcome, store
from strangler.ownership import Owner, Ownership
from tests.support.orders import MIDDLE
from tests.support.waiting import wait_until

WAITING = """
SELECT continuation.subject_ref, waits_for, ownership FROM strangler.continuation
JOIN legacy.orders ON orders.order_ref = continuation.subject_ref
WHERE state = 'waiting'"""
DETAILS: Mapping[str, Mapping[str, Any]] = {
    "fraud": {"by": "new", "score": 7, "tier": "low", "reason": None},
    "inventory": {"by": "new", "sold_out": None, "short": 0},
    "payment": {"by": "new", "charge_id": "ch_new", "amount_minor": 950, "reason": None},
}
REFUSALS: Mapping[str, Mapping[str, Any]] = {
    "fraud": {"by": "new", "score": 95, "tier": "high", "reason": "too risky"},
    "inventory": {"by": "new", "sold_out": "A", "short": 3},
    "payment": {"by": "new", "charge_id": None, "amount_minor": 0, "reason": "card declined"},
}


def say(dsn: str, order_ref: str, *steps: str, refused: bool = False) -> int:
    """Outcomes of these steps, in one transaction; `refused`: of the last one. How many orders became ready."""
    outcomes = [
        StepOutcome(order_ref, step, refuses, (REFUSALS if refuses else DETAILS)[step])
        for step in steps
        for refuses in [refused and step == steps[-1]]
    ]
    with psycopg.connect(dsn) as connection:
        return store(connection, outcomes)


@contextmanager
def answering(dsn: str) -> Iterator[None]:
    """Until the block ends, each order that waits gets the outcomes of all steps of the new side up to there."""
    stop = threading.Event()

    def run() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not stop.is_set():
                for order_ref, waits_for, owners in connection.execute(WAITING).fetchall():
                    owned = Ownership.from_header(owners)
                    steps = MIDDLE[: MIDDLE.index(waits_for) + 1]
                    new = [step for step in steps if owned.of(step) is Owner.NEW]
                    with suppress(psycopg.errors.DeadlockDetected):  # a consumer tries that again, too
                        store(connection, [StepOutcome(order_ref, step, False, DETAILS[step]) for step in new])
                stop.wait(0.01)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def until(dsn: str, sql: str, *parameters: object, within_s: float = 30.0) -> None:
    """Wait until the query has a row."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        wait_until(
            lambda: connection.execute(sql, parameters).fetchone() is not None,
            lambda: (sql, parameters),
            within_s=within_s,
        )
