"""The slot as gauges: what is not known is not told, and what is old says so."""

from __future__ import annotations

import threading

import psycopg

from outbox.relay.gauges import SlotGauges
from outbox.relay.slot import SlotState

STATE = SlotState("outbox", "pgoutput", "shop", is_here=True, active=True, wal_status="reserved", confirmed_lsn=1,
                  lag_bytes=7, kept_bytes=9, safe_bytes=None)  # fmt: skip
AGE, EXISTS = "outbox_relay_slot_read_age_seconds", "outbox_relay_slot_exists"


def told(gauges: SlotGauges) -> dict[str, float]:
    return {one.name: one.value for one in gauges()}


def test_what_was_never_read_is_not_told_and_what_cannot_be_read_ages() -> None:
    now = [0.0]
    answers: list[Exception | SlotState | None] = [psycopg.OperationalError(), STATE, psycopg.OperationalError(), None]

    def read() -> SlotState | None:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    gauges = SlotGauges(read, lambda: now[0])
    now[0] = 3.0
    assert told(gauges) == {AGE: 3.0}
    known = {EXISTS: 1, "outbox_relay_slot_lag_bytes": 7, "outbox_relay_slot_kept_bytes": 9}
    assert told(gauges) == {AGE: 0.0, **known}
    now[0] = 13.0
    assert told(gauges) == {AGE: 10.0, **known}
    assert told(gauges) == {AGE: 0.0, EXISTS: 0}


def test_who_asks_while_another_looks_is_not_kept_waiting() -> None:
    looking, go_on = threading.Event(), threading.Event()

    def read() -> SlotState | None:
        looking.set()
        assert go_on.wait(30)
        return STATE

    gauges = SlotGauges(read)
    first = threading.Thread(target=lambda: told(gauges))
    first.start()
    assert looking.wait(30)
    assert told(gauges).keys() == {AGE}
    go_on.set()
    first.join(30)
    assert told(gauges)[EXISTS] == 1
