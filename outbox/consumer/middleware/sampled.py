"""A handler before the handler: under pressure it sees a sample, and the others are given up."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Disposition, Handler, Poison
from outbox.consumer.middleware.expiring import Now, database_now
from outbox.consumer.middleware.sample import Sample
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.report import Report
from outbox.event import ReceivedEvent


class Sampled:
    """An `outbox.consumer.Handler`. A batch is split in two, so order is kept where whole keys are: within each key.

    The clock is the context's database's, as for deadlines. Replays, and what a person releases, are not sampled.
    """

    def __init__(
        self, handler: Handler, sample: Sample, shedding: Shedding, report: Report, now: Now = database_now
    ) -> None:
        self._handler, self._sample, self._shedding = handler, sample, shedding
        self._report, self._now = report, now

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        if not self._sample.needed(events, self._now(connection)) or not self._shedding.permitted():
            return self._handler(connection, events)
        kept = [index for index, one in enumerate(events) if self._sample.keeps(one.event)]
        others = sorted(set(range(len(events))) - set(kept))
        became: dict[int, Disposition] = {}
        try:
            chosen = kept
            if kept:
                found = self._handler(connection, [events[index] for index in kept])
                became |= dict(zip(kept, found, strict=True))
            chosen = others
            if others:
                given_up = [events[index] for index in others]
                found = self._shedding.give_up(connection, given_up, self._sample.clause)
                became |= dict(zip(others, found, strict=True))
        except Poison as poison:
            raise Poison(chosen[poison.index], poison.reason) from poison
        ordered = [became[index] for index in range(len(events))]
        self._report.shed(self._sample.clause, ordered.count(Disposition.SHED))
        return ordered
