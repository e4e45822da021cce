"""The seam around a legacy step: who runs, what is recorded, and what a failure does to the answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.orm import Session

from outbox.connection import PsycopgConnection
from strangler.reconcile.readers import read_seam
from strangler.seam.watched import seam
from strangler.step.intents import Call, Intent
from tests.integration.contexts import rows

RECORDS = "SELECT subject_ref, step, version, owner, epoch, intents FROM strangler.seam_record"
SENT = [{"kind": "call", "target": "mail.send", "body": {"to": "a", "urgent": True}}]


@dataclass(frozen=True, slots=True)
class Order:
    subject_ref: str = "o1"
    version: int = 1
    ownership: str = ""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that JSON cannot hold."""


def sees_nothing(order: Order, result: object) -> Sequence[Intent]:
    return []


def sees_mail(order: Order, result: str) -> Sequence[Intent]:
    return [Call("mail", "send", {"to": result})]


def observe(order: Order, result: str, to: str, *, urgent: bool = False) -> Sequence[Intent]:
    if to == "nobody":
        raise LookupError("no such customer")
    return [Call("mail", "send", {"to": to, "urgent": urgent})]


@seam("notification", observe=observe)
def notify(connection: PsycopgConnection, order: Order, to: str, *, urgent: bool = False) -> str:
    """Send the mail."""
    if to == "broken":
        raise RuntimeError("the mail server is on fire")
    connection.execute("SELECT 1")
    return f"sent to {to}"


@pytest.mark.parametrize(
    ("ownership", "owner", "epoch"),
    [
        ("", "legacy", 0),
        ("epoch=3, search=new", "legacy", 3),
        ("epoch=4, notification=shadow", "shadow", 4),
    ],
)
def test_legacy_and_shadow_run_and_are_recorded(database: str, ownership: str, owner: str, epoch: int) -> None:
    with psycopg.connect(database) as connection:
        assert notify(connection, Order(ownership=ownership), "a", urgent=True) == "sent to a"
    assert rows(database, RECORDS) == [("o1", "notification", 1, owner, epoch, SENT)]
    inputs, outcome = rows(database, "SELECT inputs, outcome FROM strangler.seam_record")[0]
    assert inputs == {"subject": {"subject_ref": "o1", "version": 1}, "arguments": {"to": "a", "urgent": True}}
    assert outcome == {"result": "sent to a"}


def test_new_skips_the_step_and_records_nothing(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert notify(connection, Order(ownership="epoch=4, notification=new"), "broken") is None
    assert rows(database, RECORDS) == []


def test_the_record_shares_the_callers_transaction(database: str) -> None:
    with psycopg.connect(database) as connection:
        notify(connection, Order(), "a")
        assert rows(database, RECORDS) == []
        connection.rollback()
    assert rows(database, RECORDS) == []


def test_a_step_that_touches_no_row_is_not_committed_by_its_seam(database: str) -> None:
    silent = seam("search", observe=sees_nothing)(_nothing)
    with psycopg.connect(database) as connection:
        silent(connection, Order())
        connection.rollback()
    assert rows(database, RECORDS) == []


def _nothing(connection: PsycopgConnection, order: Order) -> None:
    """Leaves the connection idle."""


def test_a_failing_step_reaches_the_caller(database: str) -> None:
    with psycopg.connect(database) as connection, pytest.raises(RuntimeError, match="on fire"):
        notify(connection, Order(), "broken")
    assert rows(database, RECORDS) == []


def test_a_failing_observation_leaves_the_answer_and_a_record_that_no_side_matches(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert notify(connection, Order(), "nobody") == "sent to nobody"
    [(intents, outcome)] = rows(database, "SELECT intents, outcome FROM strangler.seam_record")
    assert [intent["kind"] for intent in intents] == ["unobserved"]
    assert outcome == {"observe_error": "LookupError"}, "its words are a customer's"


def test_a_record_that_cannot_be_written_leaves_answer_and_transaction(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE kept (n integer)")
        connection.execute("ALTER TABLE strangler.seam_record RENAME TO gone")
        assert notify(connection, Order(), "a") == "sent to a"
        connection.execute("INSERT INTO kept VALUES (1)")
        connection.execute("ALTER TABLE strangler.gone RENAME TO seam_record")
    assert rows(database, "TABLE kept") == [(1,)]
    assert rows(database, RECORDS) == []


def test_a_connection_that_is_none_of_ours_leaves_the_answer() -> None:
    @seam("notification", observe=sees_mail)
    def send(connection: PsycopgConnection, order: Order) -> str:
        return "sent"

    with closing(sqlite3.connect(":memory:")) as foreign:
        assert send(foreign, Order()) == "sent"  # type: ignore[arg-type]  # what a caller without mypy may do


def test_many_records_that_cannot_be_written_keep_every_row_around_them(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE kept (n integer)")
        connection.execute("ALTER TABLE strangler.seam_record ADD CHECK (version % 2 = 0)")
        for version in range(1, 21):  # beyond the number of runs after which the driver prepares a statement
            connection.execute("INSERT INTO kept VALUES (%s)", (version,))
            assert notify(connection, Order(version=version), "a") == "sent to a"
    assert rows(database, "SELECT count(*) FROM kept") == [(20,)]
    assert rows(database, "SELECT count(*) FROM strangler.seam_record WHERE version % 2 = 0") == [(10,)]


def test_a_connection_that_commits_every_statement_is_recorded_too(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        assert notify(connection, Order(), "a") == "sent to a"
        with connection.transaction():
            notify(connection, Order(version=2), "a")
    assert rows(database, "SELECT version FROM strangler.seam_record ORDER BY version") == [(1,), (2,)]


def test_two_calls_for_one_change_are_two(database: str) -> None:
    with psycopg.connect(database) as connection:
        notify(connection, Order(), "a", urgent=True)
        assert notify(connection, Order(), "b") == "sent to b"
        acts = read_seam(connection, "notification")["o1"]
    assert rows(database, "SELECT call, intents -> 0 -> 'body' ->> 'to' FROM strangler.seam_record ORDER BY call") == [
        (1, "a"),
        (2, "b"),
    ]
    assert [(one.version, [(fact.number, fact.fields["to"]) for fact in one.facts]) for one in acts] == [
        (1, [(100, "a"), (101, "b")])
    ]


def test_what_json_cannot_hold_is_named_by_its_type(database: str) -> None:
    def look(order: Order, result: object, thing: object) -> Sequence[Intent]:
        return []

    @seam("search", observe=look)
    def step(connection: PsycopgConnection, order: Order, thing: object) -> object:
        return thing

    with psycopg.connect(database) as connection:
        opaque = Opaque()
        assert step(connection, Order(), [opaque, {"n": 1}]) == [opaque, {"n": 1}]
    [(inputs,)] = rows(database, "SELECT inputs -> 'arguments' FROM strangler.seam_record")
    assert inputs == {"thing": [{"not_json": "Opaque"}, {"n": 1}]}


def test_sqlalchemy_callers_are_joined_in_their_transaction(database: str) -> None:
    @seam("notification", observe=sees_mail)
    def by_session(session: Session, order: Order) -> str:
        return str(session.scalar(text("SELECT 'a'")))

    @seam("search", observe=sees_nothing)
    def by_connection(connection: Connection, order: Order) -> int:
        return int(connection.scalar(text("SELECT 1")) or 0)

    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine) as session:
        assert by_session(session, Order()) == "a"
        session.rollback()
        assert by_session(session, Order()) == "a"
        session.commit()
    with engine.begin() as connection:
        assert by_connection(connection, Order()) == 1
    engine.dispose()
    assert sorted(step for (step,) in rows(database, "SELECT step FROM strangler.seam_record")) == [
        "notification",
        "search",
    ]
