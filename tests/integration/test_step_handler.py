"""A step's handler: ownership decides what becomes of the intents, on real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from outbox.consumer.handler import Disposition, Poison
from outbox.event import Event
from strangler.step.claim import tombstone
from strangler.step.digests import digest
from strangler.step.handler import MAX_VERSION, StepHandler
from strangler.step.intents import Call, Emit, Intent, Write
from tests.integration.contexts import connect, rows
from tests.support.orders import cancelled, of_type, placed, received
from tests.support.services import SERVICES

APPLIED, RECORDED = Disposition.APPLIED, Disposition.RECORDED
NOT_OWNER, DUPLICATE = Disposition.NOT_OWNER, Disposition.DUPLICATE


def handle(dsn: str, step: str, *events: Event) -> list[Disposition]:
    with connect(dsn, step) as connection:
        return list(SERVICES[step].handler()(connection, received(events)))


def deciding(intents: Callable[[Event], Sequence[Intent]]) -> StepHandler:
    return StepHandler("search", intents, SERVICES["search"].apply_writes)


def test_ownership_decides_what_becomes_of_an_event(database: str) -> None:
    dispositions = handle(
        database,
        "search",
        placed("new", "search=new"),
        placed("shadow", "search=shadow"),
        placed("legacy"),
        placed("elsewhere", "notification=new"),
    )
    assert dispositions == [APPLIED, RECORDED, NOT_OWNER, NOT_OWNER]
    assert rows(database, "SELECT order_ref, version FROM search.document") == [("new", 2)]
    assert rows(database, "SELECT subject_ref, number, kind, epoch FROM search.claim") == [("new", 200, "applied", 7)]
    recorded = rows(database, "SELECT subject_ref, version, epoch, intents -> 0 ->> 'target' FROM search.intent")
    assert recorded == [("shadow", 2, 7, "document")]


def test_a_claim_has_the_digest_of_what_came_of_it(database: str) -> None:
    """Held against the planned call and the row, as they come back from jsonb."""
    handle(database, "notification", placed("a", "notification=new"))
    handle(database, "search", placed("a", "search=new"))
    [(body,)] = rows(database, "SELECT body FROM notification.effect")
    [(document,)] = rows(database, "SELECT body FROM search.document")
    call = {"kind": "call", "target": "mail.send", "body": body}
    write = {"kind": "write", "target": "document", "body": document}
    assert rows(database, "SELECT intents, digest FROM notification.claim") == [(1, digest(call))]
    assert rows(database, "SELECT intents, digest FROM search.claim") == [(1, digest(write))]


def test_a_replay_is_a_duplicate_and_changes_nothing(database: str) -> None:
    events = [
        placed("a", "search=new"),
        cancelled("a", "search=new", whole=False),
        placed("b", "search=shadow"),
    ]
    assert handle(database, "search", *events) == [APPLIED, APPLIED, RECORDED]
    before = rows(database, "TABLE search.document") + rows(database, "TABLE search.intent")
    assert handle(database, "search", *events) == [DUPLICATE, DUPLICATE, DUPLICATE]
    assert rows(database, "TABLE search.document") + rows(database, "TABLE search.intent") == before


def test_a_repeat_in_the_same_batch_is_a_duplicate(database: str) -> None:
    for owner in ("new", "shadow"):
        event = placed(owner, f"notification={owner}")
        first, second = handle(database, "notification", event, event)
        assert (first, second) == (APPLIED if owner == "new" else RECORDED, DUPLICATE)
    assert rows(database, "SELECT count(*) FROM notification.effect") == [(1,)]


def test_a_version_in_which_the_step_wants_nothing_is_claimed_all_the_same(database: str) -> None:
    event = cancelled("a", "recommendation=new", whole=False)
    assert handle(database, "recommendation", event) == [APPLIED]
    assert rows(database, "SELECT number FROM recommendation.claim") == [(300,)]


def test_a_tombstone_refuses_a_zombie(database: str) -> None:
    with connect(database, "notification") as connection:
        tombstone(connection, subject_ref="a", step="notification", epoch=8)
    events = placed("a", "notification=new"), cancelled("a", "notification=new"), placed("b", "notification=new")
    assert handle(database, "notification", *events) == [NOT_OWNER, NOT_OWNER, APPLIED]
    assert rows(database, "SELECT subject_ref FROM notification.effect") == [("b",)]


def test_a_rollback_takes_claim_and_effects_along(database: str) -> None:
    with connect(database, "notification") as connection:
        SERVICES["notification"].handler()(connection, received([placed("a", "notification=new")]))
        connection.rollback()
    assert rows(database, "TABLE notification.claim") == rows(database, "TABLE notification.effect") == []


def test_a_handler_killed_with_its_claim_in_hand_has_done_nothing(database: str) -> None:
    argv = [sys.executable, "-m", "tests.integration.handler_process", "notification", "a"]
    environ = {**os.environ, "STRANGLER_DSN": database, "OUTBOX_STOP_AT": "step.claimed"}
    with subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "stopped_at step.claimed\n"
        process.kill()
    assert handle(database, "notification", placed("a", "notification=new")) == [APPLIED]
    assert rows(database, "SELECT key FROM notification.effect") == [("a:notification:200",)]


def test_a_planned_mail_has_the_key_that_both_sides_use(database: str) -> None:
    handle(database, "notification", placed("a", "notification=new"), cancelled("a", "notification=new"))
    planned = rows(database, "SELECT key, vendor, operation, state, body ->> 'template' FROM notification.effect")
    assert sorted(planned) == [
        ("a:notification:200", "mail", "send", "planned", "order_confirmation"),
        ("a:notification:300", "mail", "send", "planned", "cancellation_confirmation"),
    ]


def test_intents_of_every_kind_are_numbered_in_order(database: str) -> None:
    handler = deciding(
        lambda event: [
            Call("mail", "send", {"n": 0}),
            Write("document", {"order_ref": event.aggregate_id, "version": 1}),
            Emit("Indexed", {"n": 2}),
        ]
    )
    with connect(database, "search") as connection:
        assert handler(connection, received([placed("a", "search=new")])) == [APPLIED]
    assert rows(database, "SELECT number, key FROM search.effect") == [(200, "a:search:200")]
    emitted = rows(database, "SELECT aggregatetype, aggregateid, aggregate_version, type, payload FROM outbox.readable")
    assert emitted == [("search", "a", 1, "Indexed", '{"n":2}')]
    assert rows(database, "SELECT order_ref FROM search.document") == [("a",)]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (of_type(placed("bad"), "OrderShipped"), "unknown event type 'OrderShipped'"),
        (of_type(placed("bad", "search=new"), "OrderShipped"), "unknown event type"),
        (replace(placed("bad", "search=new"), payload=b"{"), "not JSON"),
        (replace(placed("bad"), context={"ownership": "search=new"}), "without a valid epoch"),
        (replace(placed("bad"), context={"ownership": "epoch=1, search=both"}), "unknown owner"),
        (replace(placed("bad"), context={"ownership": "=,="}), "not an RFC 9651 dictionary"),
        (replace(placed("bad", "search=new"), aggregate_version=0), "is not in 1"),
        (replace(placed("bad", "search=new"), aggregate_version=MAX_VERSION + 1), "is not in 1"),
        (placed("bad", "search=new", country="nul \0 inside"), "NUL"),
        (placed("bad", "search=shadow", country="lone \ud800 surrogate"), "UnicodeEncodeError"),
        (replace(placed("a\0b"), context={}), "NUL"),
    ],
)
def test_an_event_that_can_never_succeed_is_poison_and_touches_nothing(
    database: str, event: Event, reason: str
) -> None:
    with pytest.raises(Poison, match=reason) as caught:
        handle(database, "search", placed("good", "search=new"), event)
    assert caught.value.index == 1
    assert rows(database, "TABLE search.claim") == rows(database, "TABLE search.intent") == []


def test_a_mistake_in_decide_is_poison_for_its_event_only(database: str) -> None:
    def decide(event: Event) -> Sequence[Intent]:
        if event.aggregate_id == "bad":
            raise ZeroDivisionError("division by zero")
        return []

    with connect(database, "search") as connection, pytest.raises(Poison, match="ZeroDivisionError") as caught:
        deciding(decide)(connection, received([placed("ok"), placed("bad")]))
    assert caught.value.index == 1


def test_more_intents_than_an_event_has_numbers_for_are_poison(database: str) -> None:
    with connect(database, "search") as connection, pytest.raises(Poison, match="101 intents"):
        deciding(lambda _: [Emit("E", {})] * 101)(connection, received([placed("a", "search=new")]))


CLAUSE = "policy:recommendation.sampling.keep=0.25"
OWNED = "recommendation=new"
CLAIMS = "SELECT subject_ref, number, kind, clause FROM recommendation.claim ORDER BY 1, 2"
BASKETS = "SELECT order_ref, version FROM recommendation.basket ORDER BY 1"


def given_up(dsn: str, *events: Event) -> list[Disposition]:
    with connect(dsn, "recommendation") as connection:
        return list(SERVICES["recommendation"].step().give_up(connection, received(events), CLAUSE))


def test_what_is_given_up_is_claimed_and_not_done_by_whoever_owns_it(database: str) -> None:
    events = [placed("new", OWNED), placed("shadow", "recommendation=shadow"), placed("legacy")]
    assert given_up(database, *events) == [Disposition.SHED, RECORDED, NOT_OWNER]
    assert rows(database, CLAIMS) == [("new", 200, "shed", CLAUSE)]
    assert rows(database, BASKETS) == []
    assert rows(database, "SELECT subject_ref FROM recommendation.intent") == [("shadow",)]


def test_what_is_done_or_handed_back_cannot_be_given_up(database: str) -> None:
    done, gone = placed("done", OWNED), placed("gone", OWNED)
    assert handle(database, "recommendation", done) == [APPLIED]
    with connect(database, "recommendation") as connection:
        tombstone(connection, subject_ref="gone", step="recommendation", epoch=8)
    assert given_up(database, done, gone) == [DUPLICATE, NOT_OWNER]
    assert [kind for _, _, kind, _ in rows(database, CLAIMS)] == ["applied", "tombstone"]


def test_a_replay_makes_up_for_what_was_given_up_also_behind_later_versions(database: str) -> None:
    first, second = placed("a", OWNED), cancelled("a", OWNED)
    assert given_up(database, first) == [Disposition.SHED]
    assert handle(database, "recommendation", second) == [APPLIED]
    assert handle(database, "recommendation", first, second) == [APPLIED, DUPLICATE]
    assert rows(database, BASKETS) == [("a", 3)], "the older basket does not come back"
    assert rows(database, CLAIMS) == [("a", 200, "applied", CLAUSE), ("a", 300, "applied", None)]
