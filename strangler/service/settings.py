"""Addresses and names of a running service, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from outbox.connection import PsycopgConnection, connect
from outbox.errors import ConfigurationError
from outbox.fault_points import FaultPoints
from outbox.installation import sources_in
from outbox.kafka.port import GroupTiming
from outbox.kafka_settings import KafkaSettings
from outbox.metrics import address_of
from outbox.settings import well_formed

# A member that was killed is missed after the session; the brokers' usual minimum is 6 s.
SESSION_S, HEARTBEAT_S = 10.0, 2.0


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Made by `from_environ`. `environ` holds secrets and is kept out of `repr`, as is the DSN."""

    dsn: str = field(repr=False)
    kafka: KafkaSettings
    topic_prefix: str
    group_prefix: str
    timing: GroupTiming
    fault_points: FaultPoints
    environ: Mapping[str, str] = field(repr=False)
    lanes: int | None = None
    other_sources: frozenset[str] = frozenset()
    metrics: tuple[str, int] | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, lanes: int | None = None) -> RunSettings:
        """`ConfigurationError` names every variable that is missing."""
        missing = [name for name in ("STRANGLER_DSN", "KAFKA_BOOTSTRAP") if not environ.get(name)]
        if missing:
            raise ConfigurationError(f"not set: {', '.join(missing)}; `strangler up` prints them")
        return cls(
            dsn=well_formed(environ["STRANGLER_DSN"], "STRANGLER_DSN"),
            kafka=KafkaSettings.from_environ(environ),
            topic_prefix=environ.get("OUTBOX_TOPIC_PREFIX", "outbox.event."),
            group_prefix=environ.get("OUTBOX_GROUP_PREFIX", ""),
            timing=GroupTiming(SESSION_S, HEARTBEAT_S, rest_s=rest_s_of(environ)),
            fault_points=FaultPoints.from_environ(environ),
            environ=environ,
            lanes=lanes,
            other_sources=sources_in(environ),
            metrics=address_of(environ),
        )

    def group(self, name: str) -> str:
        """The name that positions are stored under."""
        return self.group_prefix + name

    def topics(self, aggregate_types: tuple[str, ...]) -> list[str]:
        return [self.topic_prefix + one for one in aggregate_types]

    def connect(self, schema: str, *, autocommit: bool = False) -> PsycopgConnection:
        """A connection in which the tables of that schema need no schema name; no wait is without end."""
        return connect(self.dsn, schema=schema, name=schema, autocommit=autocommit)


def rest_s_of(environ: Mapping[str, str]) -> float:
    """OUTBOX_POLL_REST_MS: 0 to 1000, for a broker that does not hold empty fetches; 0 where it is not set."""
    text = environ.get("OUTBOX_POLL_REST_MS", "0")
    if not text.isdecimal() or int(text) > 1000:
        raise ConfigurationError(f"OUTBOX_POLL_REST_MS is {text!r}; it must be a number from 0 to 1000")
    return int(text) / 1000
