"""A handler tried without servers: batches, poison, repeats and late events as a consumer has them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from outbox import Disposition, Event, OutboxError, Poison, Policy, PsycopgConnection, ReceivedEvent
from outbox.errors import ConfigurationError
from outbox.event import uuid7
from outbox.policy import Expired, Sampling
from outbox.testing import Harness

APPLIED, PARKED, EXPIRED, SHED = Disposition.APPLIED, Disposition.PARKED, Disposition.EXPIRED, Disposition.SHED
COMPENSATING = Policy.lossless(
    10, "the row's key", expired=Expired.COMPENSATE, compensation="OrderTakenBack", ordering_scope="order"
)
TABLES = ("CREATE TABLE seen (ref text, number int, PRIMARY KEY (ref, number))",)
UPSERT = "INSERT INTO seen VALUES (%s, %s) ON CONFLICT DO NOTHING"


def made(ref: str, number: int = 1, payload: bytes | dict[str, object] = b"{}", *, at_ms: int | None = None) -> Event:
    return Event("order", ref, number, "OrderPlaced", payload, id=uuid7(at_ms))


def remember(connection: PsycopgConnection, received: Sequence[ReceivedEvent]) -> None:
    rows = [(one.event.aggregate_id, one.event.aggregate_version) for one in received]
    connection.cursor().executemany(UPSERT, rows)


def strict(connection: PsycopgConnection, received: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
    remember(connection, received)
    for index, one in enumerate(received):
        if one.event.json() == {"bad": True}:
            raise Poison(index, "bad")
    return [APPLIED] * len(received)


def test_none_means_that_all_were_applied() -> None:
    harness = Harness(remember, tables=TABLES)

    assert harness.send(made("a"), made("b")) == [APPLIED, APPLIED]
    assert harness.rows("seen") == [("a", 1), ("b", 1)]


def test_poison_parks_its_key_and_the_others_are_handled_once() -> None:
    harness = Harness(strict, tables=TABLES)

    assert harness.send(made("a"), made("b", payload={"bad": True}), made("b", 2), made("c")) == [
        *(APPLIED, PARKED, PARKED, APPLIED)
    ]
    assert harness.rows("seen") == [("a", 1), ("c", 1)]
    assert harness.parked == {"b": "bad"}
    assert harness.send(made("b", 3)) == [PARKED]


def test_what_came_before_the_poison_of_its_key_is_handled() -> None:
    harness = Harness(strict, tables=TABLES)

    assert harness.send(made("b"), made("a"), made("b", 2, {"bad": True}), made("b", 3), made("a", 2)) == [
        *(APPLIED, APPLIED, PARKED, PARKED, APPLIED)
    ]
    assert harness.rows("seen") == [("a", 1), ("a", 2), ("b", 1)]
    assert harness.send(made("b", 4)) == [PARKED]
    assert harness.repeat() == [APPLIED, APPLIED, PARKED, PARKED, APPLIED, PARKED]


def test_a_payload_that_is_no_json_is_poison() -> None:
    harness = Harness(strict, tables=TABLES)

    assert harness.send(made("a", payload=b"\xff"), made("b")) == [PARKED, APPLIED]
    assert "is no JSON" in harness.parked["a"]


def test_an_error_leaves_nothing_behind() -> None:
    def failing(connection: PsycopgConnection, received: Sequence[ReceivedEvent]) -> None:
        remember(connection, received)
        raise ConnectionError("the vendor does not answer")

    harness = Harness(failing, tables=TABLES)
    with pytest.raises(ConnectionError):
        harness.send(made("a"))
    assert harness.rows("seen") == []


def test_a_repeat_shows_whether_a_handler_bears_it() -> None:
    harness = Harness(remember, tables=TABLES)
    harness.send(made("a"), made("b"))

    assert harness.repeat() == [APPLIED, APPLIED]
    assert harness.rows("seen") == [("a", 1), ("b", 1)]


def test_late_events_take_the_policys_branch() -> None:
    harness = Harness(remember, tables=TABLES, policy=Policy.lossy(10), clock=lambda: 1_000.0)

    assert harness.send(made("late", at_ms=900_000), made("fresh", at_ms=999_000)) == [EXPIRED, APPLIED]
    assert harness.rows("seen") == [("fresh", 1)]


def test_late_events_of_a_policy_that_compensates_reach_its_handler() -> None:
    taken_back: list[str] = []

    def take_back(_connection: PsycopgConnection, received: Sequence[ReceivedEvent]) -> None:
        for one in received:
            one.event.json()
            taken_back.append(one.event.aggregate_id)

    harness = Harness(remember, tables=TABLES, policy=COMPENSATING, compensate=take_back, clock=lambda: 1_000.0)

    late, fresh = made("late", at_ms=900_000), made("fresh", at_ms=999_000)
    assert harness.send(late, fresh) == [EXPIRED, APPLIED]
    assert (taken_back, harness.rows("seen")) == (["late"], [("fresh", 1)])
    assert harness.send(made("bad", payload=b"no JSON", at_ms=900_000)) == [PARKED]


def test_compensation_without_a_handler_is_refused_and_a_handler_without_it() -> None:
    with pytest.raises(ConfigurationError, match="give compensate="):
        Harness(remember, policy=COMPENSATING)
    with pytest.raises(ConfigurationError, match="leave it out"):
        Harness(remember, compensate=remember)


def test_a_sample_is_kept_while_events_wait() -> None:
    policy = Policy.lossy(10_000, Sampling(keep=0.5, above_s=10))
    harness = Harness(remember, tables=TABLES, policy=policy, clock=lambda: 1_000.0)

    answers = harness.send(*(made(f"o-{number}", at_ms=900_000) for number in range(40)))
    assert {APPLIED, SHED} == set(answers)
    assert len(harness.rows("seen")) == answers.count(APPLIED)


def test_sql_that_only_postgresql_has_is_said() -> None:
    harness = Harness(lambda connection, _: connection.execute("SELECT * FROM unnest(%s)", [1]) and None)
    with pytest.raises(OutboxError, match="test it on PostgreSQL"):
        harness.send(made("a"))
