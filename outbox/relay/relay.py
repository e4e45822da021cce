"""The relay as a program starts it: a database, a Kafka, and nothing else that must be said."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import partial

from outbox.fault_points import FaultPoints
from outbox.installation import SOURCES
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader
from outbox.kafka_settings import KafkaSettings
from outbox.relay.loop import Kafka, RelayLoop
from outbox.settings import RelaySettings
from outbox.telemetry import Observe, unobserved


class Relay:
    """Publishes the outbox of the database `dsn` to Kafka: each event to the topic `prefix` + its aggregate type.

    `bootstrap` is `host:port[,host:port]`, or `KafkaSettings` with TLS and SASL. `slot` names the replication slot,
    which is made when it is missing; slots are the whole server's, so a second database takes another name.
    Several relays may run on a slot: one streams, the others stand by.

    Start it before the first event is appended: a new slot delivers only what comes after it, so it is refused where
    events stand already, unless `skip_existing` says that they are not wanted. `sources` are other databases whose
    events in the topics are ours too, as `SYSTEM-IDENTIFIER/DATABASE`: say this one before it moved.

    At least once, in commit order per key: a repeat after a failure is recognised by its position, and consumers of
    this library drop it. Topics that are missing are made with 4 partitions; make them ahead to have another number.

        relay = Relay(dsn="postgresql://localhost/billing", bootstrap="localhost:9092")
        signal.signal(signal.SIGTERM, lambda *_: relay.stop())
        relay.run()  # until then
    """

    def __init__(
        self,
        *,
        dsn: str,
        bootstrap: KafkaSettings | str,
        slot: str = "outbox",
        prefix: str = "outbox.event.",
        skip_existing: bool = False,
        sources: Collection[str] = (),
        on_streaming: Callable[[], None] = lambda: None,
        observe: Observe = unobserved,
    ) -> None:
        """Opens nothing. `on_streaming` is called once, when events begin to flow."""
        kafka = KafkaSettings.of(bootstrap)
        chosen = {
            "OUTBOX_SLOT": slot,
            "OUTBOX_TOPIC_PREFIX": prefix,
            "OUTBOX_SKIP_EXISTING": "1" if skip_existing else "0",
            SOURCES: ",".join(sources),
        }
        self._loop = RelayLoop(
            RelaySettings.of(dsn, kafka, chosen),
            Kafka(partial(PythonProducer, kafka), partial(PythonAdmin, kafka), partial(PythonReader, kafka)),
            fault_points=FaultPoints.from_environ(os.environ),
            on_streaming=on_streaming,
            observe=observe,
        )

    def run(self) -> None:
        """Block until `stop`; what was read is then published and confirmed.

        `ConfigurationError` ends it at once; `DependencyDown` only when nothing answers in the first 30 s. Later
        outages are waited for.
        """
        self._loop.run()

    def stop(self) -> None:
        """From any thread or signal handler, also before `run`."""
        self._loop.stop()
