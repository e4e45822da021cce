"""Events, both ends: append in the caller's transaction -> relay -> Kafka -> consumer. Knows nothing of subjects.

Names are loaded when first used: `import outbox` imports no driver, no Kafka client and no SQLAlchemy.
"""

from typing import TYPE_CHECKING

from outbox.lazy import names_from

if TYPE_CHECKING:
    from outbox.appending import append, append_all
    from outbox.connection import PsycopgConnection
    from outbox.consumer.consumer import Consumer
    from outbox.consumer.handler import Disposition, Handler, InParallel, Poison
    from outbox.errors import OutboxError
    from outbox.event import Event, ReceivedEvent, uuid7
    from outbox.kafka_settings import KafkaSettings
    from outbox.policy import Policy
    from outbox.relay.relay import Relay
    from outbox.schema import migrate

__all__ = [
    "Consumer",
    "Disposition",
    "Event",
    "Handler",
    "InParallel",
    "KafkaSettings",
    "OutboxError",
    "Poison",
    "Policy",
    "PsycopgConnection",
    "ReceivedEvent",
    "Relay",
    "append",
    "append_all",
    "migrate",
    "uuid7",
]

_HOMES = {
    "Consumer": "outbox.consumer.consumer",
    "Disposition": "outbox.consumer.handler",
    "Event": "outbox.event",
    "Handler": "outbox.consumer.handler",
    "InParallel": "outbox.consumer.handler",
    "KafkaSettings": "outbox.kafka_settings",
    "OutboxError": "outbox.errors",
    "Poison": "outbox.consumer.handler",
    "Policy": "outbox.policy.flow",
    "PsycopgConnection": "outbox.connection",
    "ReceivedEvent": "outbox.event",
    "Relay": "outbox.relay.relay",
    "append": "outbox.appending",
    "append_all": "outbox.appending",
    "migrate": "outbox.schema",
    "uuid7": "outbox.event",
}

if not TYPE_CHECKING:  # else every misspelled name would have a type
    __getattr__ = names_from(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
