"""A handler before the handler: under pressure it sees a sample, and the others are given up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Answering, Disposition, Poison
from outbox.consumer.middleware.expiring import Now, database_now
from outbox.consumer.middleware.sample import keeps, needed
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.report import Report
from outbox.event import ReceivedEvent


class Sampled:
    """An `outbox.consumer.Handler`. A batch is split in two, so order is kept where whole keys are: within each key.

    The clock is the context's database's, as for deadlines. Replays, and what a person releases, are not sampled.
    """

    def __init__(self, handler: Answering, shedding: Shedding, report: Report, now: Now = database_now) -> None:
        self._handler, self._shedding, self._report, self._now = handler, shedding, report, now

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        sample, clause = self._shedding.now()
        if sample is None or not needed(sample, events, self._now(connection)) or not self._shedding.permitted():
            return self._handler(connection, events)
        kept = [index for index, one in enumerate(events) if keeps(sample, one.event)]
        others = sorted(set(range(len(events))) - set(kept))
        # First what takes only claims: no row that other lanes want is held while a claim is waited for.
        became = self._part(connection, events, others, partial(self._give_up, clause=clause)) | self._part(
            connection, events, kept, self._handler
        )
        ordered = [became[index] for index in range(len(events))]
        self._report.shed(clause, ordered.count(Disposition.SHED))
        return ordered

    def _give_up(
        self, connection: PsycopgConnection, events: Sequence[ReceivedEvent], clause: str
    ) -> Sequence[Disposition]:
        return self._shedding.give_up(connection, events, clause)

    @staticmethod
    def _part(
        connection: PsycopgConnection, events: Sequence[ReceivedEvent], indices: Sequence[int], act: Answering
    ) -> dict[int, Disposition]:
        if not indices:
            return {}
        try:
            found = act(connection, [events[index] for index in indices])
        except Poison as poison:
            raise Poison(indices[poison.index], poison.reason) from poison
        return dict(zip(indices, found, strict=True))
