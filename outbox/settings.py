"""The relay's settings, read once from the environment; an unknown or bad one stops the start."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import conninfo_to_dict

from outbox.errors import ConfigurationError
from outbox.installation import SOURCES, sources_in
from outbox.kafka_settings import BOOTSTRAP, VARIABLES, KafkaSettings
from outbox.partitions import DAYS_AHEAD


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Made by `from_environ`. Addresses are kept out of `repr`: a DSN holds a password."""

    dsn: str = field(repr=False)
    kafka: KafkaSettings
    slot: str
    publication: str
    topic_prefix: str
    sources: frozenset[str]
    topic_partitions: int
    days_ahead: int
    confirm_interval_ms: int
    in_flight_records: int
    in_flight_bytes: int
    start_within_s: int
    skip_existing: bool

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> RelaySettings:
        """`ConfigurationError` names the variable, the value and what it may be."""
        _refuse_unknown(environ)
        return cls.of(dsn_of(environ), KafkaSettings.from_environ(environ), environ)

    @classmethod
    def of(cls, dsn: str, kafka: KafkaSettings, chosen: Mapping[str, str]) -> RelaySettings:
        """The same with both addresses given; `chosen` holds variables whose default is not wanted."""
        environ = chosen
        return cls(
            dsn=well_formed(dsn, "dsn"),
            kafka=kafka,
            slot=_text(environ, "OUTBOX_SLOT", r"[a-z0-9_]{1,63}"),
            publication=_text(environ, "OUTBOX_PUBLICATION", r"[A-Za-z0-9_]{1,63}"),
            topic_prefix=_text(environ, "OUTBOX_TOPIC_PREFIX", r"[A-Za-z0-9._-]{0,60}"),
            sources=sources_in(environ),
            topic_partitions=topic_partitions_of(environ),
            days_ahead=days_ahead_of(environ),
            confirm_interval_ms=_number(environ, "OUTBOX_CONFIRM_INTERVAL_MS", 1, 10_000),
            in_flight_records=_number(environ, "OUTBOX_IN_FLIGHT_RECORDS", 1, 1_000_000),
            in_flight_bytes=_number(environ, "OUTBOX_IN_FLIGHT_BYTES", 1 << 20, 1 << 30),
            start_within_s=_number(environ, "OUTBOX_START_WITHIN_S", 1, 3_600),
            skip_existing=_number(environ, "OUTBOX_SKIP_EXISTING", 0, 1) == 1,
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable with its default, None when it must be given."""

    name: str
    default: str | None
    meaning: str

    @property
    def otherwise(self) -> str:
        """What holds where it is not set, for people."""
        return "required" if self.default is None else self.default or "none"


SETTINGS = (
    Setting("STRANGLER_DSN", None, "the database with the outbox table, postgresql://..."),
    *(Setting(name, None if name == BOOTSTRAP else "", meaning) for name, meaning in VARIABLES.items()),
    Setting("OUTBOX_SLOT", "outbox", "name of the replication slot; slots are the whole server's"),
    Setting("OUTBOX_PUBLICATION", "outbox", "name of the publication that the migration made"),
    Setting("OUTBOX_TOPIC_PREFIX", "outbox.event.", "a topic is this and the aggregate type"),
    Setting(SOURCES, "", "other sources whose events are ours too, say this database before it moved"),
    Setting("OUTBOX_TOPIC_PARTITIONS", "4", "partitions of a topic that the relay has to make itself"),
    Setting("OUTBOX_DAYS_AHEAD", str(DAYS_AHEAD), "how many daily partitions of the table are made ahead"),
    Setting("OUTBOX_CONFIRM_INTERVAL_MS", "20", "at most so often is a position confirmed; what a kill repeats"),
    Setting("OUTBOX_IN_FLIGHT_RECORDS", "20000", "records sent and not yet acknowledged"),
    Setting("OUTBOX_IN_FLIGHT_BYTES", str(32 << 20), "their bytes"),
    Setting("OUTBOX_START_WITHIN_S", "30", "a first connection that takes longer ends the process with exit 3"),
    Setting("OUTBOX_SKIP_EXISTING", "0", "1: make a new slot although the table holds events it will never deliver"),
)
# Read elsewhere: by the consumers and by the kill tests.
OTHERS = (
    Setting("OUTBOX_GROUP_PREFIX", "", "what every consumer group's name begins with"),
    Setting("OUTBOX_METRICS_ADDRESS", "", "host:port to serve /metrics at, one for each process; not set: not served"),
    Setting(
        "OUTBOX_POLL_REST_MS", "0", "a rest after an empty fetch, up to 1000, for a broker that does not hold those"
    ),
    Setting("OUTBOX_STOP_AT", "", "for kill tests: the named point at which the process stops"),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def dsn_of(environ: Mapping[str, str]) -> str:
    """The database's address alone, for verbs that need no Kafka: any that libpq takes."""
    dsn = environ.get("STRANGLER_DSN", "")
    if not dsn.strip():
        raise ConfigurationError("STRANGLER_DSN is not set; set it to postgresql://user@host:port/database")
    return well_formed(dsn, "STRANGLER_DSN")


def well_formed(dsn: str, named: str) -> str:
    """The DSN, which came from `named`. Never its value: libpq quotes what it cannot read, say half a password."""
    if re.match(r"\w+\+\w+://", dsn):
        raise ConfigurationError(f"{named} is SQLAlchemy's, with a driver; write postgresql:// without the + and it")
    try:
        found = conninfo_to_dict(dsn)
    except (psycopg.ProgrammingError, UnicodeError):
        found = {"port": "unreadable"}
    # A raw / or @ in a password would make the rest of it a port or a host, which errors quote too.
    if re.fullmatch(r"[0-9,]*", str(found.get("port", ""))) is None or "@" in str(found.get("host", ""))[1:]:
        raise ConfigurationError(
            f"{named} is not of its form; write postgresql://user:password@host:port/database, "
            "and in a password % as %25, @ as %40, / as %2F, or host=... dbname=... as libpq takes it"
        )
    return dsn


def days_ahead_of(environ: Mapping[str, str]) -> int:
    """How many days of partitions are wanted, for a verb that needs no more."""
    return _number(environ, "OUTBOX_DAYS_AHEAD", 1, 60)


def topic_partitions_of(environ: Mapping[str, str]) -> int:
    """How many partitions a topic gets of which nobody said more, whoever makes it."""
    return _number(environ, "OUTBOX_TOPIC_PARTITIONS", 1, 1_000)


def described() -> str:
    """For help texts: one line per variable."""
    every = (*SETTINGS, *OTHERS)
    return "\n".join(f"  {setting.name:<27} {setting.meaning} ({setting.otherwise})" for setting in every)


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = [*_BY_NAME, *(other.name for other in OTHERS)]
    for name in sorted(environ):
        if name.startswith("OUTBOX_") and name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise ConfigurationError(f"unknown setting {name}; {hint}")


def _text(environ: Mapping[str, str], name: str, pattern: str) -> str:
    value = environ.get(name, _BY_NAME[name].default or "")
    if re.fullmatch(pattern, value) is None:
        raise ConfigurationError(f"{name} is {value!r}; it must match {pattern}")
    return value


def _number(environ: Mapping[str, str], name: str, lowest: int, highest: int) -> int:
    value = environ.get(name, _BY_NAME[name].default or "")
    if re.fullmatch(r"[0-9]{1,12}", value) is None or not lowest <= int(value) <= highest:
        raise ConfigurationError(f"{name} is {value!r}; it must be a whole number from {lowest} to {highest}")
    return int(value)
