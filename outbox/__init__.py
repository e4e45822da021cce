"""Events, both ends: append in the caller's transaction -> relay -> Kafka -> consumer. Knows nothing of orders."""

from outbox.append import append, append_all
from outbox.connection import AnyConnection, PsycopgConnection, driver_connection
from outbox.event import Event, ReceivedEvent, SourcePosition, uuid7
from outbox.kafka_settings import KafkaSettings
from outbox.structured import Item, format_dictionary, parse_dictionary

__all__ = [
    "AnyConnection",
    "Event",
    "Item",
    "KafkaSettings",
    "PsycopgConnection",
    "ReceivedEvent",
    "SourcePosition",
    "append",
    "append_all",
    "driver_connection",
    "format_dictionary",
    "parse_dictionary",
    "uuid7",
]
