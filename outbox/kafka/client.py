"""Which Kafka client consumers use: kafka-python, or librdkafka when the extra `fast` is installed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from outbox.errors import ConfigurationError
from outbox.kafka.port import Consumer, GroupTiming

VARIABLE = "OUTBOX_KAFKA_CLIENT"


class Client(StrEnum):
    """`python` works everywhere. `fast` is librdkafka, not the quicker one today; one group may have both."""

    PYTHON = "python"
    FAST = "fast"


class MakeConsumer(Protocol):
    """A new member of `group`. Raises `DependencyDown` when no broker answers."""

    def __call__(self, bootstrap: str, *, group: str, timing: GroupTiming = ..., client_id: str = ...) -> Consumer: ...


def client_of(environ: Mapping[str, str]) -> Client:
    """OUTBOX_KAFKA_CLIENT; `python` where it is not set. `ConfigurationError` says what it may be."""
    text = environ.get(VARIABLE) or Client.PYTHON
    try:
        return Client(text)
    except ValueError:
        raise ConfigurationError(f"{VARIABLE} is {text!r}; it must be one of {', '.join(Client)}") from None


def consumer_class(client: Client) -> MakeConsumer:
    """Imports what the client needs, and no other; `ConfigurationError` when the extra is not installed."""
    if client is Client.PYTHON:
        from outbox.kafka.python_consumer import PythonConsumer  # noqa: PLC0415

        return PythonConsumer
    try:
        from outbox.kafka.confluent_consumer import ConfluentConsumer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "confluent_kafka":
            raise
        raise ConfigurationError(
            f"{VARIABLE}={client} needs confluent-kafka, which is not installed; "
            f"pip install 'strangler-toolkit[fast]', or set it to {Client.PYTHON}"
        ) from None
    return ConfluentConsumer
