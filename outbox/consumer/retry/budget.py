"""The retry budget of a group: one account in the context's database, shared by all instances.

Lock order: the account's row is locked alone, in a transaction of its own. Nothing waits for a disk here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import astuple

import psycopg

from outbox.connection import PsycopgConnection
from outbox.consumer.retry.credits import BudgetRule, Credits

_log = logging.getLogger("outbox.consumer")

MAKE_TABLE = "run `outbox migrate --consumer SCHEMA`, or `strangler migrate` where there is a plan"

# A lost credit is earned again: no need to wait for the disk.
_LAZY_COMMIT = "SET LOCAL synchronous_commit TO OFF"

_OPEN = """
INSERT INTO retry_budget (name, generation, fresh, stale, accrued_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING"""

# The database's clock: instances need not agree on theirs.
_READ = """
SELECT generation, fresh, stale, accrued_at, extract(epoch FROM clock_timestamp())::float8
FROM retry_budget WHERE name = %s FOR UPDATE"""

_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"

_WRITE = """
UPDATE retry_budget SET generation = %s, fresh = %s, stale = %s, accrued_at = %s WHERE name = %s"""


class RetryBudget:
    """This instance's share. A failed attempt costs one credit, a retry needs one reserved. Safe from every thread.

    Deliveries are only counted here; they reach the group's account with the next `deposit` or lease, so the happy
    path asks the database for nothing. A runtime and a sender of the same context share one object.
    """

    def __init__(
        self,
        name: str,
        rule: BudgetRule = BudgetRule(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._rule, self._clock = name, rule, clock
        self._lock = threading.Lock()
        self._delivered = self._failed = self._held = 0
        self._held_until = self._dry_until = 0.0
        self._alone: Credits | None = None  # where the table is missing: this instance's own account

    def delivered(self, events: int) -> None:
        """So many were delivered at their first attempt."""
        with self._lock:
            self._delivered += events

    def failed(self, attempts: int) -> None:
        """So many first attempts failed: nobody had reserved them."""
        with self._lock:
            self._failed += attempts

    def refund(self, retries: int) -> None:
        """So many reserved retries went well: they are deliveries, and cost nothing."""
        with self._lock:
            self._held += retries
            self._delivered += retries

    def give_back(self, retries: int) -> None:
        """So many were reserved and not made."""
        with self._lock:
            self._held += retries

    def deposit(self, connection: PsycopgConnection) -> None:
        """Bring what was counted to the group's account; asks the database nothing when nothing was. Commits."""
        with self._lock:
            idle = not (self._delivered or self._failed)
        if not idle:
            self._exchange(connection, wanted=0)

    def reserve(self, connection: PsycopgConnection, retries: int) -> bool:
        """Take so many retries. False: the group has failed enough for now. Commits, outside any transaction."""
        if self.take(retries):
            return True
        with self._lock:
            if self._clock() < self._dry_until:
                return False
            missing = retries - self._held
        granted = self._exchange(connection, wanted=max(missing, self._rule.lease))
        with self._lock:
            self._held += granted
            self._held_until = self._clock() + self._rule.ttl_s / 2
            if self._held < retries:  # spares the account: a worker each would ask it without end
                self._dry_until = self._clock() + min(0.5, 1 / self._rule.floor_per_s)
        return self.take(retries)

    def take(self, retries: int) -> bool:
        """Of those that this instance holds reserved; asks the database nothing."""
        with self._lock:
            if self._clock() >= self._held_until:
                self._held = 0
            if self._held < retries:
                return False
            self._held -= retries
            return True

    def _exchange(self, connection: PsycopgConnection, *, wanted: int) -> int:
        with self._lock:
            delivered, self._delivered = self._delivered, 0
            failed, self._failed = self._failed, 0
        try:
            with connection.transaction():
                connection.execute(_LAZY_COMMIT)
                account, now_s = self._stored(connection)
                account = account.at(now_s, self._rule).settle(self._rule, delivered=delivered, failed=failed)
                account, granted = account.lease(wanted)
                connection.execute(_WRITE, [*astuple(account), self.name])
        except psycopg.errors.UndefinedTable:
            return self._without_table(wanted, delivered, failed)
        except psycopg.Error:
            self.delivered(delivered)
            self.failed(failed)
            raise
        return granted

    def _stored(self, connection: PsycopgConnection) -> tuple[Credits, float]:
        row = connection.execute(_READ, [self.name]).fetchone()
        if row is None:
            now = connection.execute(_NOW).fetchone()
            opened = Credits.opened(now[0] if now else 0.0, self._rule)
            connection.execute(_OPEN, [self.name, *astuple(opened)])
            row = connection.execute(_READ, [self.name]).fetchone()
        if row is None:
            raise psycopg.DataError("the account was deleted while it was opened")
        return Credits(*row[:4]), row[4]

    def _without_table(self, wanted: int, delivered: int, failed: int) -> int:
        now_s = self._clock()
        with self._lock:
            if self._alone is None:
                _log.warning("retry_budget_missing", extra={"budget": self.name, "next_step": MAKE_TABLE})
                self._alone = Credits.opened(now_s, self._rule)
            account = self._alone.at(now_s, self._rule).settle(self._rule, delivered=delivered, failed=failed)
            self._alone, granted = account.lease(wanted)
        return granted
