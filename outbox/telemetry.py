"""What a process says about itself: JSON log lines, and the one catalogue of metric names."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TypeAlias

# Names follow Prometheus: unit last, _total for what only grows.
Metric: TypeAlias = Literal[
    "outbox_relay_records_total",
    "outbox_relay_reconnects_total",
    "outbox_relay_delay_seconds",
    "outbox_relay_in_flight_records",
    "outbox_relay_in_flight_bytes",
    "outbox_relay_confirmed_lsn_bytes",
    "outbox_partitions_ahead_days",
]
# Takes the new value of a gauge, the increase of a total, one value of `outbox_relay_delay_seconds`.
# Must not raise, must not block.
Observe: TypeAlias = "Callable[[Metric, float], None]"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def unobserved(_metric: Metric, _value: float) -> None:
    """Nobody is listening."""


class JsonFormatter(logging.Formatter):
    """One line of JSON per record: time, level, logger, event, then the fields given by `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to_stderr(level: int = logging.INFO) -> None:
    """For a process of ours. The Kafka client and Alembic only speak up with warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("kafka", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)  # it warns of every long turn of a busy machine
