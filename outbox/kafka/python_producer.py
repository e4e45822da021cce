"""kafka-python behind the `Producer` port: idempotent, acks=all, and nothing is written after a failed record."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.future import Future

from outbox.errors import DependencyDown
from outbox.kafka.python_network import connecting
from outbox.kafka_settings import KafkaSettings

LINGER_MS = 5
BATCH_BYTES = 262_144  # with 5 ms of linger 52-59k records/s, against 15k/s with the client's defaults
MAX_RECORD_BYTES = 1_048_576
METADATA_TIMEOUT_MS = 10_000
# A record is tried until the producer is closed: one that expired would let later ones of its key overtake it.
DELIVERY_TIMEOUT_MS = 2**31 - 1
JOIN_TIMEOUT_S = 10.0
SPENT = "a record failed and the producer is spent; close it and make a new one"


class PythonDelivery:
    """A record on its way, over kafka-python's future."""

    __slots__ = ("_future",)

    def __init__(self, future: Future) -> None:
        self._future = future

    def done(self) -> bool:
        return bool(self._future.is_done)

    def error(self) -> BaseException | None:
        failure = self._future.exception
        return failure if isinstance(failure, BaseException) else None


class PythonProducer:
    """Send from one thread; kafka-python has its own thread for the network."""

    def __init__(self, kafka: KafkaSettings | str, *, client_id: str = "outbox") -> None:
        with connecting(KafkaSettings.of(kafka)) as given:
            self._client = KafkaProducer(
                **given,
                client_id=client_id,
                acks="all",
                enable_idempotence=True,
                linger_ms=LINGER_MS,
                batch_size=BATCH_BYTES,
                max_request_size=MAX_RECORD_BYTES,
                max_block_ms=METADATA_TIMEOUT_MS,
                delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
                reconnect_backoff_max_ms=1_000,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        self._failed = False

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> PythonDelivery:
        """Hand a record over; `DependencyDown` if the topic is unknown for 10 s or the producer is spent."""
        taken = headers if isinstance(headers, list) else list(headers)
        try:
            future = self._client.send(topic, value=value, key=key, headers=taken)
        except KafkaError as error:
            if self._failed:
                raise DependencyDown(SPENT) from error
            raise DependencyDown(f"topic {topic} takes no record: {error!r}; does it exist, is Kafka up?") from error
        # kafka-python goes on after a failure, under a new producer epoch: later records of a key would come first.
        # This runs on its thread, before that thread sends anything more.
        future.add_errback(self._stop_sending)
        return PythonDelivery(future)

    def flush(self, timeout_s: float) -> None:
        try:
            self._client.flush(timeout_s)
        except KafkaError as error:
            raise DependencyDown(f"Kafka did not acknowledge within {timeout_s:g} s: {error!r}") from error
        if self._failed:
            raise DependencyDown(SPENT)

    def close(self, timeout_s: float) -> None:
        """Wait so long for what is under way, drop the rest. Nothing is written after the return."""
        sender = self._client._sender
        try:
            if not self._failed:
                self._client.flush(timeout_s)
        except KafkaError:
            self._failed = True  # not in time: dropped below, and the deliveries say so
        sender.force_close()
        sender.join(JOIN_TIMEOUT_S)
        if sender.is_alive():
            raise DependencyDown(f"the producer's thread did not end within {JOIN_TIMEOUT_S:g} s; restart the process")
        self._client.close(0)

    def _stop_sending(self, _error: BaseException) -> None:
        if not self._failed:
            self._failed = True
            self._client._sender.force_close()
