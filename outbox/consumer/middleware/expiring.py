"""A handler before the handler: late work takes its declared branch, and the handler sees only what is in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_never

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Answering, Disposition, Poison, answering
from outbox.consumer.middleware.expiry import Expiry
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.report import Report
from outbox.event import ReceivedEvent
from outbox.policy import Expired

Now = Callable[[PsycopgConnection], float]

# Not now(): that is the transaction's beginning.
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


def database_now(connection: PsycopgConnection) -> float:
    """Seconds since 1970 by the context's database: members of a group must not differ over what is late."""
    row = connection.execute(_NOW).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return float(row[0])


class Expiring:
    """An `outbox.consumer.Handler`. The order of a batch is kept between the branches.

    Deferred and escalated work is parked with the clause as its reason, and the later events of its key behind it; what
    a person then releases is run, however late. Whoever makes a runtime gives it an `Expiry`; replays know no deadline.
    The clock of the process that handles an event says nothing: `now` is the database's.
    """

    def __init__(
        self, handler: Answering, expiry: Expiry, shedding: Shedding, report: Report, now: Now = database_now
    ) -> None:
        self._handler, self._expiry, self._shedding = handler, expiry, shedding
        self._report, self._now = report, now
        self._compensate = None if expiry.compensate is None else answering(expiry.compensate)

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        if self._expiry.branch is Expired.RUN:
            return self._handler(connection, events)
        stretches = self._expiry.split(events, self._now(connection))
        if not any(is_late for is_late, _, _ in stretches):
            return self._handler(connection, events)
        found: list[Disposition] = []
        for is_late, first, stretch in stretches:
            try:
                act = self._expired if is_late else self._handler
                found += act(connection, stretch)
            except Poison as poison:
                raise Poison(first + poison.index, poison.reason) from poison
        return found

    def _expired(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        branch = self._expiry.branch
        match branch:
            case Expired.DROP if not self._shedding.permitted():
                return self._handler(connection, events)
            case Expired.DROP:
                given_up = self._shedding.give_up(connection, events, self._expiry.clause)
                self._report.expired(self._expiry.clause, given_up.count(Disposition.SHED))
                return [Disposition.EXPIRED if one is Disposition.SHED else one for one in given_up]
            case Expired.COMPENSATE:
                if self._compensate is not None:
                    self._compensate(connection, events)
                self._report.expired(self._expiry.clause, len(events))
            case Expired.DEFER | Expired.ESCALATE:
                self._report.expired(self._expiry.clause, 1)
                raise Poison(0, f"expired: {self._expiry.clause}")
            case Expired.RUN:
                return self._handler(connection, events)
            case _:
                assert_never(branch)
        return [Disposition.EXPIRED] * len(events)
