"""How far the relay's slot is behind, read when somebody asks; older where that fails, and said so."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg

from outbox.catalogue import Sample
from outbox.connection import connect, first_line
from outbox.errors import DependencyDown
from outbox.one_look import OneLook
from outbox.relay import slot
from outbox.relay.slot import SlotState

_log = logging.getLogger(__name__)

LIMITS = "-c statement_timeout=2s"
FRESH_S = 1.0  # scrapes of several collectors get one look
LOOK_S = 4.0  # a scrape waits no longer, whatever holds a look up; Prometheus gives it 10 s


class SlotGauges:
    """A source of `Counters`, for several threads. `read` takes a look, one at a time; where it fails or takes longer
    than `look_s`, what was seen last is told, with its age.
    """

    def __init__(
        self,
        read: Callable[[], SlotState | None],
        clock: Callable[[], float] = time.monotonic,
        look_s: float = LOOK_S,
    ) -> None:
        self._read, self._clock, self._began_at = read, clock, clock()
        self._look = OneLook(self._kept, look_s)
        self._seen: tuple[SlotState | None, float] | None = None  # and when

    def __call__(self) -> Iterator[Sample]:
        if self._seen is None or self._clock() - self._seen[1] > FRESH_S:
            try:
                self._look()
            except (psycopg.Error, DependencyDown) as error:
                _log.warning("slot_not_read", extra={"reason": first_line(error)})  # its age says so too
        seen = self._seen
        age_s = max(0.0, self._clock() - (self._began_at if seen is None else seen[1]))
        yield Sample("outbox_relay_slot_read_age_seconds", age_s if seen is None or age_s > FRESH_S else 0.0, {})
        if seen is not None:
            yield from samples(seen[0])

    def _kept(self) -> None:
        asked_at = self._clock()
        self._seen = self._read(), asked_at


def samples(state: SlotState | None) -> Iterator[Sample]:
    """Of a slot that is not there only that; what is not known is not told."""
    yield Sample("outbox_relay_slot_exists", 0 if state is None else 1, {})
    if state is None:
        return
    # PostgreSQL tells no safe bytes of a lost slot, as of one without a limit: an alarm must not fall silent then.
    safe_bytes = 0 if state.wal_status == "lost" else state.safe_bytes
    for name, value in (("lag", state.lag_bytes), ("kept", state.kept_bytes), ("safe", safe_bytes)):
        if value is not None:
            yield Sample(f"outbox_relay_slot_{name}_bytes", value, {})


def read_slot(dsn: str, name: str) -> SlotState | None:
    """Over a connection of its own, within a few seconds."""
    with closing(connect(dsn, LIMITS, name="outbox relay metrics", autocommit=True)) as connection:
        return slot.inspect(connection, name)
