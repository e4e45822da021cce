"""The relay: sessions one after the other until it is stopped, with backoff, and partitions made ahead meanwhile."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import psycopg

from outbox.connection import connect, unanswered
from outbox.errors import AccessDenied, ConfigurationError, DependencyDown, OutboxError
from outbox.fault_points import FaultPoints
from outbox.installation import source_of
from outbox.kafka.foreign import foreign_source, way_out
from outbox.kafka.port import Admin, Producer, Reader
from outbox.relay import slot
from outbox.relay.publisher import Bounds, Publisher
from outbox.relay.pump import Pump
from outbox.relay.rows import OutboxRows
from outbox.relay.session import RelaySession
from outbox.relay.upkeep import Upkeep
from outbox.relay.wal import SlotInUse, WalStream
from outbox.settings import RelaySettings
from outbox.telemetry import Observe, unobserved

BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 10.0
SLOT_WAIT_MOST_S = 1.0  # a second relay stands by; after a kill the server notices within milliseconds
CLOSE_WITHIN_S = 0.0  # a session that ended well has flushed; after a failure nothing more may be written

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kafka:
    """How the relay gets its clients; called once a session."""

    producer: Callable[[], Producer]
    admin: Callable[[], Admin]
    reader: Callable[[], Reader]


class RelayLoop:
    """Publishes the outbox of one database. `run` blocks; `stop` may be called from any thread or signal handler.

    At least once, per key in commit order of first arrivals: a repeat after a failure is recognised by its position.
    `ConfigurationError` ends it at once (`AccessDenied` only before the first session); `DependencyDown` only when
    nothing answers in the first `start_within_s`.
    """

    def __init__(
        self,
        settings: RelaySettings,
        kafka: Kafka,
        *,
        fault_points: FaultPoints,
        on_streaming: Callable[[], None],
        observe: Observe = unobserved,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._settings, self._kafka, self._fault_points = settings, kafka, fault_points
        self._on_streaming, self._observe, self._clock = on_streaming, observe, clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._upkeep = Upkeep(settings.dsn, days_ahead=settings.days_ahead, clock=clock, observe=observe)
        self._stop = threading.Event()
        self._source = ""
        self._streamed = False
        self._standing_by = False
        self._failures = 0

    def stop(self) -> None:
        """Finish what is under way, confirm it, return from `run`."""
        self._stop.set()

    def run(self) -> None:
        began = self._clock()
        while not self._stop.is_set():
            try:
                self._run_session()
            except SlotInUse:
                self._stand_by()
            except (AccessDenied, DependencyDown) as error:
                # Who got in before may be refused for a while: a broker that has just started knows no users yet.
                if not self._streamed and isinstance(error, AccessDenied):
                    raise
                if not self._streamed and self._clock() - began > self._settings.start_within_s:
                    raise
                self._failures += 1
                self._back_off(error, min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0 ** min(self._failures, 10)))

    def _stand_by(self) -> None:
        """Another relay is at work; said once, however long it takes."""
        if not self._standing_by:
            logger.info("slot_in_use", extra={"slot": self._settings.slot})
        self._standing_by = True
        self._stop.wait(self._rng.uniform(0, SLOT_WAIT_MOST_S))

    def _back_off(self, error: OutboxError, most_s: float) -> None:
        """Full jitter: relays that lost the same broker must not return together."""
        wait_s = self._rng.uniform(0, most_s)
        self._observe("outbox_relay_reconnects_total", 1)
        logger.warning("relay_disconnected", extra={"reason": str(error), "retry_in_s": round(wait_s, 3)})
        self._stop.wait(wait_s)

    def _run_session(self) -> None:
        settings = self._settings
        self._prepare_slot()
        self._upkeep.run_if_due()
        with closing(WalStream.start(settings.dsn, slot=settings.slot, publication=settings.publication)) as stream:
            producer = self._kafka.producer()
            try:
                self._pump(stream, producer)
            finally:
                # Before the next session begins: an old producer's record must never come after a new one's.
                producer.close(CLOSE_WITHIN_S)

    def _prepare_slot(self) -> None:
        settings = self._settings
        try:
            with connect(settings.dsn, autocommit=True) as connection:
                self._source = source_of(connection)  # each time: the address may lead to another server now
            made = slot.ensure(
                settings.dsn,
                slot=settings.slot,
                publication=settings.publication,
                skip_existing=settings.skip_existing,
            )
        except psycopg.OperationalError as error:
            raise DependencyDown(unanswered(error, "STRANGLER_DSN, or Relay(dsn=...),")) from error
        if made:
            logger.info("slot_made", extra={"slot": settings.slot})

    def _pump(self, stream: WalStream, producer: Producer) -> None:
        settings = self._settings
        publisher = Publisher(
            producer, Bounds(settings.in_flight_records, settings.in_flight_bytes), self._fault_points
        )
        rows = OutboxRows(topic_prefix=settings.topic_prefix, source=self._source)
        session = RelaySession(
            stream=stream,
            publisher=publisher,
            pump=Pump(rows, publisher, self._prepare_topic, self._fault_points),
            fault_points=self._fault_points,
            clock=self._clock,
            confirm_interval_s=settings.confirm_interval_ms / 1000,
            observe=self._observe,
            upkeep=self._upkeep.run_if_due,
        )
        self._standing_by = False
        self._fault_points.reach("relay.connected")
        logger.info("relay_streaming", extra={"slot": settings.slot, "source": self._source})
        if not self._streamed:
            self._streamed = True
            self._on_streaming()
        try:
            session.run(self._stop)
        finally:
            if session.confirmed_lsn:
                self._failures = 0
            logger.info("relay_session_ended", extra={"sent": publisher.sent, "acknowledged": publisher.acknowledged})

    def _prepare_topic(self, topic: str) -> None:
        """Somebody who knows the number of partitions makes topics ahead; this keeps a new type from standing still.

        A topic that another installation writes to is refused: nothing of ours may reach its consumers.
        """
        with closing(self._kafka.admin()) as admin:
            state = admin.describe([topic]).get(topic)
            if state is None:
                admin.ensure_topics({topic: self._settings.topic_partitions})
                logger.warning("topic_made", extra={"topic": topic, "partitions": self._settings.topic_partitions})
                return
        with closing(self._kafka.reader()) as reader:
            source = foreign_source(reader, topic, state.partitions, self._settings.sources | {self._source})
        if source is not None:
            raise ConfigurationError(way_out(topic, source))
