"""When a service must be given way to: its live events wait too long, or more of them than it works off in time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import LiteralString

from outbox.connection import PsycopgConnection
from outbox.consumer.gauges import LagLook
from outbox.consumer.give_way import GIVE_WAY_AT, GiveWay, Waits
from outbox.consumer.lag.backlog import stuck_lanes
from outbox.consumer.lag.gauges import LOOK_S
from outbox.consumer.lag.read import LagReader, Looked
from outbox.consumer.partitions.standing import FOR_A_PERSON
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_reader import PythonReader
from outbox.one_look import OneLook
from strangler.contexts import context_of
from strangler.service.declaration import Service
from strangler.service.settings import RunSettings

logger = logging.getLogger(__name__)

# Calls that the service has still to make; what an operator must settle waits for nobody.
CALLS: LiteralString = """
SELECT count(*) FROM effect
WHERE step = %(step)s AND state IN ('planned', 'sent', 'unknown') AND next_attempt_at < 'infinity'"""

Say = Callable[[str, Waits | None], None]


@contextmanager
def giving_way(services: Sequence[Service], settings: RunSettings, subject: str, say: Say) -> Iterator[list[GiveWay]]:
    """To each of them. `subject`: the topic of those that name none. `say` is told, with a service's name, to what it
    is given way; None when that is over. Connects when first asked.
    """
    with ExitStack() as opened:
        yield [_to(one, settings, subject, say, opened) for one in services]


def log_giving_way(service: Service, name: str, waits: Waits | None) -> None:
    """A running service says that it slows down, and that it goes on."""
    who = {"service": service.name, "to": name}
    if waits is None:
        logger.info("goes_on", extra=who)
    else:
        waited = {"waited_s": round(waits.oldest_s, 1), "limit_s": waits.limit_s}
        logger.warning("gives_way", extra={**who, **waited, "floor_per_s": service.policy.floor_per_s})


def _to(service: Service, settings: RunSettings, subject: str, say: Say, opened: ExitStack) -> GiveWay:
    look = LagLook(
        settings.group(service.name),
        settings.topics(context_of(service, subject).topics),
        partial(settings.connect, service.schema),
        lambda: PythonAdmin(settings.kafka, client_id=f"{service.name}-lag"),
        lambda: PythonReader(settings.kafka, client_id=f"{service.name}-lag"),
    )
    opened.enter_context(closing(look))
    asked = OneLook(partial(look.ask, partial(_pressed_s, service)), LOOK_S)
    limit_s = GIVE_WAY_AT * service.policy.deadline_s
    return GiveWay(_Looks(service.name, asked), limit_s, partial(say, service.name), name=service.name)


class _Looks:
    """None where it cannot look: hours of work do not end, and nobody is slowed down, for that. Said once."""

    def __init__(self, name: str, look: Callable[[], float | None]) -> None:
        self._name, self._look, self._failed = name, look, False

    def __call__(self) -> float | None:
        try:
            found = self._look()
        except Exception as error:  # noqa: BLE001 - an edge: whatever keeps one from looking
            if not self._failed:
                detail = str(error).strip().splitlines()[:1]
                fields = {"service": self._name, "error": type(error).__name__, "detail": detail}
                logger.warning("lag_not_read", extra=fields)
            self._failed = True
            return None
        self._failed = False
        return found


def _pressed_s(service: Service, reader: LagReader, connection: PsycopgConnection) -> float | None:
    looked = reader.look(connection)
    row = connection.execute(CALLS, {"step": service.name}).fetchone() if service.vendors else None
    return pressed_s(looked, 0 if row is None else row[0], service.policy.rate_per_s)


def pressed_s(looked: Looked, calls: int, rate_per_s: float) -> float | None:
    """For how many seconds its work waits: since its oldest live event was appended, or until the last one's turn comes
    at the rate that its policy says, `calls` to vendors among them. None where no member lives: nothing is held up.

    What is parked, and a partition whose log cannot be gone on with, wait for a person. Less than half of a partition's
    lanes that stand are some keys' trouble: whoever feeds the others need not wait for them.
    """
    lag = looked.lag
    if not lag.members:
        return None
    ended = {(one.topic, one.partition) for one in lag.standing if one.cause in FOR_A_PERSON}
    stuck_at = {one.partition: stuck_lanes(one, lag.standing) for one in looked.positions}
    due = [
        one.appended_ms
        for place, waiting in looked.waiting.items()
        if tuple(place) not in ended
        for stuck in [stuck_at.get(place, set())]
        for one in waiting
        if one.lane not in stuck
    ]
    if not due and not calls:
        return None
    records = sum(one.records for one in lag.partitions if (one.topic, one.partition) not in ended)
    return max(lag.at - min(due, default=lag.at * 1000) / 1000, (records + calls) / rate_per_s)
