"""Reads once a second what consumers have still to do whose lag classes of work have promised, beside the requests."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field

import psycopg

from outbox.connection import PsycopgConnection
from outbox.consumer.lag.backlog import Backlog, read_backlog
from outbox.errors import OutboxError
from outbox.kafka.port import Admin
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka_settings import KafkaSettings
from strangler.addresses import Addresses
from strangler.contexts import Context
from strangler.errors import BadInput
from strangler.facade.brief import brief
from strangler.facade.measures import Measures
from strangler.plan import Plan

logger = logging.getLogger(__name__)

EVERY_S = 1.0
SAY_EVERY_S = 60.0
HANGS_S = 5.0  # a look that takes longer is ended: the others wait for it
UNTOLD = "check the context's database, and Kafka; until then its classes are not held back"

Heard = Callable[[str, Backlog], object]


@dataclass(frozen=True, slots=True)
class LagPlace:
    """Where a context's positions are, and which topics it reads."""

    name: str
    group: str
    topics: tuple[str, ...]
    connect: Callable[[], PsycopgConnection]


@dataclass(frozen=True, slots=True)
class LagPlaces:
    """Of all contexts whose lag is promised."""

    kafka: KafkaSettings | None = None
    contexts: Sequence[LagPlace] = ()


NO_LAG = LagPlaces()


def lag_places(plan: Plan, addresses: Addresses) -> LagPlaces:
    """Loads the services of the contexts that the plan's admission names. `BadInput` for one that is not there, and
    for an address that is missing.
    """
    names = () if plan.admission is None else plan.admission.promised_contexts
    if not names:
        return NO_LAG
    known = {**plan.contexts(), **plan.resumer_context()}
    strange = [name for name in names if name not in known]
    if strange:
        raise BadInput(
            f"admission promises the lag of {strange[0]!r}, which plan {plan.name!r} does not have; "
            f"it has {', '.join(known) or 'none'}"
        )
    return LagPlaces(addresses.kafka, [_place(name, known[name], addresses) for name in names])


def _place(name: str, context: Context, addresses: Addresses) -> LagPlace:
    group, topics = addresses.group(context), tuple(addresses.topics(context))
    dsn = addresses.dsn(context)
    return LagPlace(name, group, topics, lambda: brief(dsn, "strangler-facade-lag", context.schema))


@dataclass(slots=True)
class _Context:
    """What is kept from look to look."""

    place: LagPlace
    connection: PsycopgConnection | None = None
    unread: bool = False
    said_at: float = field(default=0.0)

    def connected(self) -> PsycopgConnection:
        if self.connection is None:
            self.connection = self.place.connect()
        return self.connection

    def hang_up(self) -> None:
        """From another thread: what waits there for an answer has an error. To close it is for its own thread."""
        connection = self.connection
        with suppress(psycopg.Error, OSError):
            if connection is not None:
                with socket.socket(fileno=os.dup(connection.fileno())) as wire:
                    wire.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class LagWatch:
    """A worker's, in threads that end with the process. `heard` is told there what each context has still to do,
    unless that could not be read.
    """

    def __init__(self, places: LagPlaces, heard: Heard, measures: Measures, every_s: float = EVERY_S) -> None:
        self._kafka, self._heard, self._measures, self._every_s = places.kafka, heard, measures, every_s
        self._contexts = [_Context(place) for place in places.contexts]
        self._admin: Admin | None = None
        self._clients = ExitStack()
        self._stopped = threading.Event()
        self._telling = threading.Lock()
        self._looking: tuple[_Context, float] | None = None  # at which, and since when

    def start(self) -> None:
        threading.Thread(target=self._run, name="lag", daemon=True).start()
        threading.Thread(target=self._run_clock, name="lag-clock", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def look(self) -> None:
        """Once, at each of them: one that cannot be read keeps nobody from reading the others."""
        for one in self._contexts:
            self._looking = one, time.monotonic()
            self._look_at(one)
            self._looking = None

    def keep_time(self, now: float) -> None:
        """Says of a look that hangs that nothing is read, and ends it."""
        looking = self._looking
        if looking is not None and now - looking[1] >= HANGS_S:
            self._not_read(looking[0], TimeoutError(f"no answer within {HANGS_S:g} s"))
            looking[0].hang_up()

    def _run_clock(self) -> None:
        while not self._stopped.wait(self._every_s):
            self.keep_time(time.monotonic())

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopped.wait(wait_s):
            began = time.monotonic()
            self.look()
            wait_s = max(0.0, self._every_s - (time.monotonic() - began))

    def _look_at(self, one: _Context) -> None:
        try:
            found = read_backlog(one.connected(), self._opened(), one.place.group, one.place.topics)
        except psycopg.Error as error:
            one.forget()
            self._not_read(one, error)
        except Exception as error:  # noqa: BLE001 - a thread's edge, and whatever Kafka's client says
            self._end()
            self._not_read(one, error)
        else:
            self._heard(one.place.name, found)
            self._looking = None
            with self._telling:
                if one.unread:
                    one.unread = False
                    self._measures.level(-1, "facade_lag_unread", one.place.name)
                    logger.info("lag_read_again", extra={"consumer": one.place.name})

    def _opened(self) -> Admin:
        if self._admin is None and self._kafka is not None:
            self._admin = PythonAdmin(self._kafka, client_id="facade-lag")
            self._clients.enter_context(closing(self._admin))
        if self._admin is None:
            raise OutboxError("there is no Kafka to ask")
        return self._admin

    def _end(self) -> None:
        self._admin = None
        self._clients.close()

    def _not_read(self, one: _Context, error: Exception) -> None:
        with self._telling:
            self._tell_not_read(one, error)

    def _tell_not_read(self, one: _Context, error: Exception) -> None:
        if not one.unread:
            one.unread, one.said_at = True, 0.0
            self._measures.level(1, "facade_lag_unread", one.place.name)
        if time.monotonic() - one.said_at >= SAY_EVERY_S or not one.said_at:
            one.said_at = time.monotonic()
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            logger.warning("lag_not_read", extra={"consumer": one.place.name, "reason": reason, "next_step": UNTOLD})
