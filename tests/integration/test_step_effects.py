"""Effects: asked with one key for ever, done once, whatever crashes in between."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from strangler.step.effects import EffectSender, SenderSettings
from tests.integration.contexts import connect, rows
from tests.support.mail_server import MailServer, mail_server
from tests.support.orders import placed, received
from tests.support.services import SERVICES, vendors_at
from tests.support.waiting import wait_until

FAST = SenderSettings(concurrency=4, poll_s=0.02, backoff_base_s=0.005, backoff_cap_s=0.02)
KEY = "a:notification:200"
STATES = "SELECT state FROM notification.effect ORDER BY subject_ref"
OUTCOMES = "SELECT aggregatetype, aggregateid, aggregate_version, type FROM outbox.readable ORDER BY aggregateid"


@pytest.fixture
def vendor() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


def plan(dsn: str, *order_refs: str) -> None:
    with connect(dsn, "notification") as connection:
        events = received([placed(ref, "notification=new") for ref in order_refs])
        SERVICES["notification"].handler()(connection, events)


@contextmanager
def sending(
    dsn: str, vendor: MailServer, settings: SenderSettings = FAST, *, key_lifetime_s: float = 3600.0
) -> Iterator[EffectSender]:
    sender = EffectSender(
        connect=lambda: connect(dsn, "notification"),
        step="notification",
        vendors=vendors_at(vendor.url, "notification", timeout_s=20, key_lifetime_s=key_lifetime_s),
        settings=settings,
        rng=random.Random(5),
    )
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        yield sender
    finally:
        sender.stop()
        thread.join(30)
        assert not thread.is_alive()


def until_settled(dsn: str, *states: str) -> None:
    wait_until(lambda: [state for (state,) in rows(dsn, STATES)] == list(states), lambda: rows(dsn, STATES))


def expire_lease(dsn: str) -> None:
    """As if the dead sender's lease had run out."""
    with connect(dsn, "notification") as connection:
        connection.execute("UPDATE effect SET next_attempt_at = now() WHERE state = 'sent'")


def test_planned_effects_are_done_once_with_their_outcome_as_an_event(database: str, vendor: MailServer) -> None:
    refs = [f"o{number:02}" for number in range(12)]
    plan(database, *refs)
    with sending(database, vendor):
        until_settled(database, *["done"] * 12)
    assert vendor.asked == {f"{ref}:notification:200": 1 for ref in refs}
    assert rows(database, OUTCOMES) == [("notification", ref, 200, "EffectDone") for ref in refs]


def test_a_signal_wakes_a_sender_that_would_poll_much_later(database: str, vendor: MailServer) -> None:
    with sending(database, vendor, SenderSettings(poll_s=60.0)) as sender:
        plan(database, "a")
        sender.wake()
        until_settled(database, "done")
    assert vendor.asked == {"a:notification:200": 1}


@pytest.mark.parametrize("answer", [-503, -500, 503, 429])
def test_an_unknown_outcome_is_asked_again_with_the_same_key(database: str, vendor: MailServer, answer: int) -> None:
    vendor.answers = [answer, answer]
    plan(database, "a")
    with sending(database, vendor):
        until_settled(database, "done")
    assert vendor.asked == {KEY: 3}
    assert list(vendor.accepted) == [KEY]
    assert rows(database, "SELECT attempts FROM notification.effect") == [(3,)]


def test_a_refusal_ends_the_effect_and_is_told(database: str, vendor: MailServer) -> None:
    vendor.answers = [422]
    plan(database, "a")
    with sending(database, vendor):
        until_settled(database, "refused")
    assert vendor.asked == {KEY: 1}
    assert rows(database, OUTCOMES) == [("notification", "a", 200, "EffectRefused")]
    assert rows(database, "SELECT outcome FROM notification.effect") == [({"status": 422},)]


@pytest.mark.parametrize("point", ["effect.sent", "effect.called", "effect.done"])
def test_a_sender_killed_at_a_named_point_leaves_one_mail(database: str, vendor: MailServer, point: str) -> None:
    plan(database, "a")
    environ = {**os.environ, "STRANGLER_DSN": database, "VENDORS_URL": vendor.url, "OUTBOX_STOP_AT": point}
    argv = [sys.executable, "-m", "tests.integration.effect_process"]
    with subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"stopped_at {point}\n"
        process.kill()
    expected = "done" if point == "effect.done" else "sent"
    assert rows(database, STATES) == [(expected,)]
    expire_lease(database)
    with sending(database, vendor):
        until_settled(database, "done")
    assert set(vendor.asked) == {KEY}
    assert vendor.asked[KEY] == (2 if point == "effect.called" else 1)
    assert list(vendor.accepted) == [KEY]
    assert rows(database, OUTCOMES) == [("notification", "a", 200, "EffectDone")]


@pytest.mark.parametrize(("accepted", "state"), [(True, "done"), (False, "refused")])
def test_past_the_keys_lifetime_it_is_looked_up_and_never_sent_again(
    database: str, vendor: MailServer, accepted: bool, state: str
) -> None:
    plan(database, "a")
    if accepted:
        vendor.accepted[KEY] = {}
    with connect(database, "notification") as connection:
        connection.execute("UPDATE effect SET state = 'sent', attempts = 1, first_sent_at = now() - interval '2 hours'")
    with sending(database, vendor):
        until_settled(database, state)
    assert not vendor.asked
    assert vendor.looked_up == {KEY: 1}


def test_a_lease_keeps_a_second_sender_from_a_call_under_way(database: str, vendor: MailServer) -> None:
    plan(database, "a")
    with connect(database, "notification") as connection:
        connection.execute(
            "UPDATE effect SET state = 'sent', attempts = 1, first_sent_at = now(), next_attempt_at = now() + '1 min'"
        )
    plan(database, "b")
    with sending(database, vendor):
        until_settled(database, "sent", "done")
    assert set(vendor.asked) == {"b:notification:200"}


def test_two_senders_side_by_side_ask_once_for_each(database: str, vendor: MailServer) -> None:
    refs = [f"o{number:02}" for number in range(30)]
    plan(database, *refs)
    with sending(database, vendor), sending(database, vendor):
        until_settled(database, *["done"] * 30)
    assert vendor.asked == {f"{ref}:notification:200": 1 for ref in refs}
    assert len(rows(database, OUTCOMES)) == 30


def test_a_sender_outlives_its_connections(database: str, vendor: MailServer) -> None:
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    with sending(database, vendor) as sender:
        plan(database, "a")
        until_settled(database, "done")
        rows(database, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        plan(database, "b")
        # Its first outcome finds the old connection dead: the effect stays sent until its lease ends.
        wait_until(lambda: "b:notification:200" in vendor.asked)
        expire_lease(database)
        sender.wake()
        until_settled(database, "done", "done")
    assert vendor.accepted.keys() == {"a:notification:200", "b:notification:200"}
