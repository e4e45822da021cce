"""The slot as gauges: what is not known is not told, and what is old says so."""

from __future__ import annotations

import threading
from dataclasses import replace

import psycopg

from outbox.relay.gauges import FRESH_S, SlotGauges
from outbox.relay.slot import SlotState
from tests.support.waiting import wait_until

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


def test_a_lost_slot_has_no_safe_bytes_left_and_what_is_unknown_is_not_told() -> None:
    lost = replace(STATE, wal_status="lost", lag_bytes=None, kept_bytes=None)
    assert told(SlotGauges(lambda: lost)) == {AGE: 0.0, EXISTS: 1, "outbox_relay_slot_safe_bytes": 0}
    limited = replace(STATE, safe_bytes=11)
    assert told(SlotGauges(lambda: limited))["outbox_relay_slot_safe_bytes"] == 11


def test_a_look_serves_the_scrapes_that_come_soon_after_it() -> None:
    now, looks = [0.0], 0

    def read() -> SlotState | None:
        nonlocal looks
        looks += 1
        return STATE

    gauges = SlotGauges(read, lambda: now[0])
    for at in (0.0, 0.1, FRESH_S):
        now[0] = at
        assert told(gauges)[AGE] == 0.0
    assert looks == 1
    now[0] = 2 * FRESH_S + 0.1
    assert (told(gauges)[AGE], looks) == (0.0, 2)


def test_a_look_that_does_not_end_keeps_no_scrape_and_is_the_only_one() -> None:
    go_on, looks = threading.Event(), []

    def read() -> SlotState | None:
        looks.append(1)
        assert go_on.wait(60)
        return STATE

    gauges = SlotGauges(read, look_s=0.05)
    for _ in range(3):
        assert told(gauges).keys() == {AGE}
    assert len(looks) == 1
    go_on.set()
    wait_until(lambda: told(gauges).get(EXISTS) == 1)
