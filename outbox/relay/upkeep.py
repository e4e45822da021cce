"""Partitions made ahead while the relay runs: hourly, on a connection of its own, never in the relay's way."""

from __future__ import annotations

import logging
from collections.abc import Callable

import psycopg

from outbox import partitions
from outbox.connection import connect, first_line
from outbox.telemetry import Observe

EVERY_S = 3600.0
AGAIN_AFTER_S = 60.0
ALARM_BELOW_DAYS = 2

logger = logging.getLogger(__name__)


class Upkeep:
    """A failure is logged and tried again: events of today do not wait for the partition of next week."""

    def __init__(self, dsn: str, *, days_ahead: int, clock: Callable[[], float], observe: Observe) -> None:
        self._dsn, self._days_ahead, self._clock, self._observe = dsn, days_ahead, clock, observe
        self._due_at = float("-inf")

    def run_if_due(self) -> None:
        """Takes milliseconds, at most the 2 s of a lock that is not given."""
        if self._clock() < self._due_at:
            return
        try:
            self._run()
            self._due_at = self._clock() + EVERY_S
        except psycopg.Error as error:
            self._due_at = self._clock() + AGAIN_AFTER_S
            logger.warning("partitions_not_made", extra={"reason": first_line(error), "retry_in_s": AGAIN_AFTER_S})

    def _run(self) -> None:
        with connect(self._dsn, autocommit=True) as connection:
            made = partitions.ensure(connection, days_ahead=self._days_ahead)
            ahead = partitions.days_ahead(connection)
        self._observe("outbox_partitions_ahead_days", ahead)
        if made:
            logger.info("partitions_made", extra={"partitions": made})
        if ahead < ALARM_BELOW_DAYS:
            logger.error("partitions_short", extra={"days_ahead": ahead})
