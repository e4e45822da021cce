"""Events, both ends: append in the caller's transaction -> relay -> Kafka -> consumer. Knows nothing of subjects.

Names are loaded when first used: `import outbox` imports no driver, no Kafka client and no SQLAlchemy.
"""

from typing import TYPE_CHECKING

from outbox.lazy import names_from

if TYPE_CHECKING:
    from outbox.appending import append as append
    from outbox.appending import append_all as append_all
    from outbox.connection import PsycopgConnection as PsycopgConnection
    from outbox.consumer.consumer import Consumer as Consumer
    from outbox.consumer.handler import Disposition as Disposition
    from outbox.consumer.handler import Handler as Handler
    from outbox.consumer.handler import InParallel as InParallel
    from outbox.consumer.handler import Poison as Poison
    from outbox.errors import OutboxError as OutboxError
    from outbox.event import Event as Event
    from outbox.event import ReceivedEvent as ReceivedEvent
    from outbox.event import uuid7 as uuid7
    from outbox.kafka_settings import KafkaSettings as KafkaSettings
    from outbox.policy import Policy as Policy
    from outbox.relay.relay import Relay as Relay
    from outbox.schema import migrate as migrate

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
__all__ = list(_HOMES)

if not TYPE_CHECKING:  # else every misspelled name would have a type
    __getattr__, __dir__ = names_from(__name__, _HOMES)
