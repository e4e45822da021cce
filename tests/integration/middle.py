"""A context of the middle, driven by hand: events in, outcomes out, on real PostgreSQL."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from outbox.consumer.handler import Disposition
from outbox.event import Event
from outbox.structured import parse_dictionary
from strangler.step.effects import EffectSender, SenderSettings
from strangler.step.intents import Json
from strangler.step.vendor import Vendor
from tests.contracts.event_schemas import broken_by
from tests.integration.contexts import connect, rows
from tests.support.orders import received
from tests.support.running import in_thread
from tests.support.services import SERVICES
from tests.support.waiting import wait_until

FAST = SenderSettings(concurrency=4, poll_s=0.02, backoff_base_s=0.005, backoff_cap_s=0.02)
TOLD = "SELECT aggregatetype, aggregateid, aggregate_version, type, payload, context FROM outbox.readable"


def handle(dsn: str, name: str, *events: Event) -> list[Disposition]:
    """One batch of one lane, committed."""
    with connect(dsn, SERVICES[name].schema) as connection:
        return list(SERVICES[name].handler()(connection, received(events)))


def told(dsn: str, step: str) -> list[tuple[str, int, str, Json]]:
    """The step's outcomes: order, version, type and what came of it. Each keeps its contract, and its context."""
    found = []
    for topic, ref, version, type_, payload, context in rows(dsn, TOLD):
        if topic == step:
            body = json.loads(payload)
            assert (body["order_ref"], body["outcome"].pop("by")) == (ref, "new")
            assert broken_by(topic, type_, payload.encode()) == []
            assert parse_dictionary(context)["tenant"] == "shop"
            found.append((ref, version, type_, body["outcome"]))
    return sorted(found, key=lambda each: each[:2])  # ids of one millisecond have no order


@contextmanager
def sending(dsn: str, name: str, vendors: Mapping[str, Vendor], settings: SenderSettings = FAST) -> Iterator[None]:
    """The context's sender, with its conclusion and its rows."""
    sender = EffectSender(
        connect=lambda: connect(dsn, name),
        step=name,
        vendors=vendors,
        conclude=SERVICES[name].conclude,
        apply_writes=SERVICES[name].apply_writes,
        settings=settings,
        rng=random.Random(5),
    )
    with in_thread(sender.run, sender.stop):
        yield


def until_ended(dsn: str, name: str, count: int) -> None:
    """Until so many effects have come to their end."""
    query = f"SELECT count(*) FROM {name}.effect WHERE ended_at IS NOT NULL"
    wait_until(lambda: rows(dsn, query) == [(count,)], lambda: rows(dsn, query))
