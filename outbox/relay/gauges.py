"""How far the relay's slot is behind, read when somebody asks; older where that fails, and said so."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg

from outbox.catalogue import Sample
from outbox.connection import PsycopgConnection, with_options
from outbox.relay import slot
from outbox.relay.slot import SlotState
from outbox.relay.wal import first_line

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 2
LIMITS = "-c statement_timeout=2s"


class SlotGauges:
    """A source of `Counters`, for several threads. One looks at a time; who asks meanwhile gets what was seen last."""

    def __init__(self, read: Callable[[], SlotState | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._looking = threading.Lock()
        self._last: SlotState | None = None
        self._seen = False
        self._read_at = clock()

    def __call__(self) -> Iterator[Sample]:
        if self._looking.acquire(blocking=False):
            try:
                self._last, self._read_at, self._seen = self._read(), self._clock(), True
            except psycopg.Error as error:
                _log.warning("slot_not_read", extra={"reason": first_line(error)})  # its age says so too
            finally:
                self._looking.release()
        yield Sample("outbox_relay_slot_read_age_seconds", max(0.0, self._clock() - self._read_at), {})
        if self._seen:
            yield from samples(self._last)


def samples(state: SlotState | None) -> Iterator[Sample]:
    """Of a slot that is not there only that: nothing else is known of it."""
    yield Sample("outbox_relay_slot_exists", 0 if state is None else 1, {})
    if state is None:
        return
    yield Sample("outbox_relay_slot_lag_bytes", state.lag_bytes or 0, {})
    yield Sample("outbox_relay_slot_kept_bytes", state.kept_bytes or 0, {})
    if state.safe_bytes is not None:
        yield Sample("outbox_relay_slot_safe_bytes", state.safe_bytes, {})


def read_slot(dsn: str, name: str) -> SlotState | None:
    """Over a connection of its own, within a few seconds."""
    with closing(_connect(dsn)) as connection:
        return slot.inspect(connection, name)


def _connect(dsn: str) -> PsycopgConnection:
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        options=with_options(dsn, LIMITS),
        application_name="outbox relay metrics",
    )
