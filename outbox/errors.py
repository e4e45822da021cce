"""Errors of the outbox library.

OutboxError
├── ConfigurationError   the start is refused: a setting, slot, publication or wal_level is wrong
│   └── AccessDenied     Kafka does not let us in: user, password, mechanism or a certificate
├── DependencyDown       PostgreSQL or Kafka does not answer
├── PartitionMissing     the outbox table has no partition for an event's day: it cannot be appended
├── Undecodable          bytes that are not an event; a consumer quarantines them, never skips them
├── Unreadable           bytes of a log that no record can be made of: fail closed, the partition stands there
├── Fenced               another assignment owns this partition: roll back and let go
├── SourceBroken         an event is of a foreign source, or its source fell back: fail closed, a person decides
└── PositionLost         a stored position lies outside the log: fail closed, a person decides
"""


class OutboxError(Exception):
    """What happened, the value seen, and the next step. `exit_code`: of a command that it ends."""

    exit_code = 1


class ConfigurationError(OutboxError):
    """The start is refused: a setting, slot, publication or wal_level is wrong."""

    exit_code = 2


class AccessDenied(ConfigurationError):
    """Kafka does not let us in: user, password, mechanism or a certificate."""


class DependencyDown(OutboxError):
    """PostgreSQL or Kafka does not answer."""

    exit_code = 3


class PartitionMissing(OutboxError):
    """The outbox table has no partition for an event's day: it cannot be appended."""


class Undecodable(OutboxError):
    """Bytes that are not an event; a consumer quarantines them, never skips them."""


class Unreadable(OutboxError):
    """Bytes of a log that no record can be made of: fail closed, the partition stands there."""

    def __init__(self, topic: str, partition: int, offset: int, why: str) -> None:
        super().__init__(
            f"{topic}-{partition} cannot be read at offset {offset}: {why}; nothing behind it is handled until it can "
            "be: compare the versions of whoever wrote it and of this library, or look for damage on the broker's disk"
        )
        self.topic, self.partition, self.offset = topic, partition, offset


class Fenced(OutboxError):
    """Another assignment owns this partition: roll back and let go."""


class SourceBroken(OutboxError):
    """An event is of a foreign source, or its source fell back: fail closed, a person decides."""


class PositionLost(OutboxError):
    """A stored position lies outside the log: fail closed, a person decides."""
