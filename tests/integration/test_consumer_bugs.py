"""A handler's mistakes are said with text and place, end on their own event, and never take a position along."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, InParallel, Metric, Poison
from outbox.consumer.retry.rule import Clause
from outbox.event import ReceivedEvent
from tests.integration.consumer_rig import QUICK, Rig, write_effects
from tests.support.logs import lines_of
from tests.support.waiting import wait_until

BAD = "order-1"


def absent_name(_connection: PsycopgConnection, one: ReceivedEvent) -> None:
    dict[str, str]()["customer"]


def no_json(_connection: PsycopgConnection, _one: ReceivedEvent) -> None:
    json.loads("<html>")


def unique(connection: PsycopgConnection, _one: ReceivedEvent) -> None:
    connection.execute("INSERT INTO once VALUES (1)")


def failing(act: Callable[[PsycopgConnection, ReceivedEvent], None]) -> Callable[..., list[Disposition]]:
    def handler(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        for one in events:
            if one.event.aggregate_id == BAD:
                act(connection, one)
        return write_effects(connection, events)

    return handler


@pytest.mark.parametrize(
    ("act", "reason", "said"),
    [
        (absent_name, "bug: KeyError at test_consumer_bugs.py:", "'customer'"),
        (no_json, "bug: JSONDecodeError at test_consumer_bugs.py:", "Expecting value"),
        (unique, "bug: UniqueViolation (23505) at test_consumer_bugs.py:", "duplicate key value violates unique"),
    ],
)
def test_a_bug_ends_on_its_event_and_is_said_with_its_place(
    rig: Rig,
    caplog: pytest.LogCaptureFixture,
    act: Callable[[PsycopgConnection, ReceivedEvent], None],
    reason: str,
    said: str,
) -> None:
    rig.sql("CREATE TABLE once (number int UNIQUE)")
    rig.sql("INSERT INTO once VALUES (1)")
    rig.send_many(keys=6, each=3)
    with caplog.at_level(logging.WARNING, "outbox.consumer"):
        running = rig.runtime(failing(act))
        wait_until(rig.caught_up, rig.positions)
    assert [key for key, _ in rig.parked()] == [BAD] * 3
    assert sorted(rig.effects()) == sorted((key, number) for key, number in rig.sent if key != BAD)
    reasons = [one for (one,) in rig.sql('SELECT reason FROM quarantine ORDER BY "offset"')]
    assert reasons[0].startswith(reason)
    wait_until(lambda: running.count(Metric.PARKED, "bug") == 1, running.counts.most_common)
    lines = [vars(one) for one in lines_of(caplog, "outbox") if one.message in ("run_retried", "run_given_up")]
    assert [line["message"] for line in lines] == ["run_retried"] * (len(lines) - 1) + ["run_given_up"]
    assert not [one for one in lines_of(caplog, "outbox") if one.message == "lane_stands"]
    assert all(said in line["detail"] and line["place"].startswith("test_consumer_bugs.py:") for line in lines)
    assert ["traceback" in line for line in lines] == [True] + [False] * (len(lines) - 1), "once per kind"


SECRET = "jane.doe@example.com"


def told_of_it(_connection: PsycopgConnection, one: ReceivedEvent) -> None:
    raise ValueError(f"no customer {one.event.json()['email']} of card {one.event.json()['card']}")


def looked_up(_connection: PsycopgConnection, one: ReceivedEvent) -> None:
    dict[str, str]()[one.event.json()["email"]]


def no_number(connection: PsycopgConnection, one: ReceivedEvent) -> None:
    connection.execute("SELECT %s::text::int", [one.event.json()["email"]])


def taken(connection: PsycopgConnection, one: ReceivedEvent) -> None:
    connection.execute("INSERT INTO once VALUES (%s), (%s)", [one.event.json()["email"]] * 2)


@pytest.mark.parametrize("act", [told_of_it, looked_up, no_number, taken])
def test_an_errors_words_show_nothing_of_a_customer(
    rig: Rig, caplog: pytest.LogCaptureFixture, act: Callable[[PsycopgConnection, ReceivedEvent], None]
) -> None:
    rig.sql("CREATE TABLE once (email text UNIQUE)")
    rig.send(BAD, 1, payload=json.dumps({"email": SECRET, "card": "4111111111111111"}).encode())
    with caplog.at_level(logging.DEBUG):
        rig.runtime(failing(act))
        wait_until(lambda: len(rig.parked()) == 1, lambda: [vars(one) for one in lines_of(caplog, "outbox")][-1])
    ((reason,),) = rig.sql("SELECT reason FROM quarantine")
    for told in (reason, *(str(vars(one)) for one in lines_of(caplog, "outbox"))):
        assert not [part for part in ("jane", "doe", "example.com", "4111") if part in told]


def by_method(connection: PsycopgConnection) -> None:
    connection.commit()


def by_rollback(connection: PsycopgConnection) -> None:
    connection.rollback()


def by_statement(connection: PsycopgConnection) -> None:
    connection.execute("COMMIT")


def behind_another(connection: PsycopgConnection) -> None:
    connection.cursor().execute("INSERT INTO effects_seen VALUES ('stray', 0); /* now */ commit")


def by_taking_back(connection: PsycopgConnection) -> None:
    connection.execute(sql.SQL("ROLLBACK WORK"))


def by_exception(_connection: PsycopgConnection) -> None:
    raise psycopg.Rollback


def beneath(connection: PsycopgConnection) -> None:
    connection.pgconn.exec_(b"ROLLBACK")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (by_method, "commit() forbidden"),
        (by_rollback, "rollback() forbidden"),
        (by_statement, "COMMIT is not the handler's"),
        (behind_another, "COMMIT is not the handler's"),
        (by_taking_back, "ROLLBACK is not the handler's"),
        (by_exception, "Rollback is not the handler's"),
        (beneath, "the handler ended the transaction"),
    ],
)
def test_a_handler_that_ends_the_transaction_is_refused_by_name_and_its_lane_says_that_it_stands(
    rig: Rig, caplog: pytest.LogCaptureFixture, act: Callable[[PsycopgConnection], None], said: str
) -> None:
    """It would fail with any event: parking them one by one would mend nothing."""

    def handler(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        answers = write_effects(connection, events)
        act(connection)
        return answers

    rig.send(BAD, 1)
    with caplog.at_level(logging.ERROR, "outbox.consumer"):
        running = rig.runtime(handler)
        wait_until(lambda: running.count(Metric.PUT_OFF, Clause.ATTEMPTS) >= 2, running.counts.most_common)
    assert rig.parked() == rig.effects() == []
    line = vars(next(one for one in lines_of(caplog, "outbox") if one.message == "lane_stands"))
    assert said in line["detail"]
    assert (line["first_offset"], line["topic"]) == (0, rig.topic)


@pytest.mark.parametrize("answer", [[None], ["applied"], [], ValueError], ids=str)
def test_an_answer_that_is_none_commits_nothing(rig: Rig, answer: Any) -> None:
    def strange(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Any:
        write_effects(connection, events)
        return answer

    rig.send("order-1", 1)
    running = rig.runtime(strange, settings=replace(QUICK, workers=1))
    wait_until(lambda: len(rig.parked()) == 1, lambda: (running.counts, running.error))
    assert running.count(Metric.DISPOSITION, "applied") == 0
    assert running.count(Metric.RETRY, "TypeError") + running.count(Metric.RETRY, "ValueError") == QUICK.retry.attempts
    assert rig.effects() == []
    assert running.error is None


@pytest.mark.parametrize("answer", [None, "applied", Disposition.PARKED])
def test_work_whose_answer_is_none_is_not_taken_for_done(rig: Rig, answer: Any) -> None:
    rig.send("order-1", 1)
    running = rig.runtime(InParallel(lambda _: answer, hands=2), settings=replace(QUICK, workers=1))
    wait_until(lambda: len(rig.parked()) == 1, lambda: (running.counts, running.error))
    assert running.count(Metric.DISPOSITION, "applied") == 0
    assert running.error is None


@pytest.mark.parametrize("error", [StopIteration(), Poison(7, "of another batch")], ids=repr)
@pytest.mark.parametrize("how", ["handler", "in_parallel"])
def test_what_no_handler_should_raise_ends_on_its_event(rig: Rig, how: str, error: Exception) -> None:
    def act(one: ReceivedEvent) -> Disposition:
        if one.event.aggregate_id == BAD:
            raise error
        return Disposition.APPLIED

    def handler(_connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        return [act(one) for one in events]

    rig.send_many(keys=4, each=2)
    running = rig.runtime(handler if how == "handler" else InParallel(act, hands=2))
    wait_until(rig.caught_up, lambda: (running.counts, running.error))
    assert [key for key, _ in rig.parked()] == [BAD] * 2


def test_an_error_of_the_database_that_a_handler_keeps_to_itself_ends_on_its_event(rig: Rig) -> None:
    def swallowing(connection: PsycopgConnection, one: ReceivedEvent) -> None:
        with contextlib.suppress(psycopg.Error):
            no_number(connection, one)

    rig.send_many(keys=4, each=2)
    rig.send(BAD, 3, payload=b'{"email": "none"}')
    rig.runtime(failing(lambda connection, one: swallowing(connection, one) if one.event.json() else None))
    wait_until(rig.caught_up, rig.positions)
    assert [key for key, _ in rig.parked()] == [BAD]
    ((reason,),) = rig.sql("SELECT reason FROM quarantine")
    assert reason.startswith("bug: InFailedSqlTransaction (25P02)")


def orphan(connection: PsycopgConnection, _one: ReceivedEvent) -> None:
    connection.execute("INSERT INTO child VALUES ('x')")


def test_what_the_database_refuses_only_at_the_commit_ends_on_its_event(rig: Rig) -> None:
    rig.sql("CREATE TABLE parent (key text PRIMARY KEY)")
    rig.sql("CREATE TABLE child (key text REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    rig.send_many(keys=4, each=2)
    rig.runtime(failing(orphan))
    wait_until(rig.caught_up, rig.positions)
    assert [key for key, _ in rig.parked()] == [BAD] * 2
