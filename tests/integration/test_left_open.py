"""What was opened before an error is closed with it: connections to PostgreSQL and to Kafka."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace

import psycopg
import pytest

from outbox import Consumer
from outbox.connection import PsycopgConnection, connect
from outbox.consumer.session import Session
from outbox.errors import DependencyDown
from outbox.kafka import python_admin
from outbox.kafka_settings import KafkaSettings
from outbox.verbs import logs
from strangler.addresses import Addresses
from strangler.contexts import Context
from strangler.continuation.runner import Runner
from strangler.local.databases import database_of
from strangler.reconcile.sources import _context
from strangler.step.effects import EffectSender
from tests.support.waiting import wait_until

NAME = "left open"
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = %s"


def none_is_open(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:

        def left() -> int:
            row = connection.execute(OPEN, [database_of(dsn), NAME]).fetchone()
            return row[0] if row else -1

        wait_until(lambda: left() == 0, left)


def opened(dsn: str, kept: list[PsycopgConnection]) -> PsycopgConnection:
    """Held here too, so that no collector of garbage closes it."""
    kept.append(connect(dsn, name=NAME))
    return kept[-1]


def test_a_session_that_cannot_be_prepared_is_closed(database: str) -> None:
    kept: list[PsycopgConnection] = []
    session = Session(lambda: opened(database, kept), transaction_idle_s=-1.0)
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        session.connection()
    none_is_open(database)


def test_a_consumers_connection_that_cannot_be_prepared_is_closed(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[PsycopgConnection] = []
    monkeypatch.setattr("outbox.consumer.consumer.connect", lambda dsn, **_: opened(dsn, kept))
    consumer = Consumer(
        topics=["a"], group="g", handler=lambda _connection, _events: None, dsn=database, bootstrap="h:1"
    )
    monkeypatch.setattr("outbox.consumer.consumer.FIRST_ON_PATH", "SELECT %s FROM nowhere")
    with pytest.raises(psycopg.errors.UndefinedTable):
        consumer._connect()
    none_is_open(database)


class Unforeseen(Exception):
    """No error of a database: it ends whoever meets it."""


def fails(*_: object, **__: object) -> None:
    raise Unforeseen


def run_runner(dsn: str, kept: list[PsycopgConnection], patch: pytest.MonkeyPatch) -> None:
    patch.setattr("strangler.continuation.table.due", fails)
    Runner(connect=lambda: opened(dsn, kept), rest=lambda _: None).run()


def run_sender(dsn: str, kept: list[PsycopgConnection], patch: pytest.MonkeyPatch) -> None:
    sender = EffectSender(
        connect=lambda: opened(dsn, kept),
        step="mail",
        vendors={},
        conclude=None,  # type: ignore[arg-type] # nothing is concluded
        apply_writes=None,  # type: ignore[arg-type]
    )
    patch.setattr(sender._restraint, "deposit", fails)
    sender.run()


@pytest.mark.parametrize("run", [run_runner, run_sender])
def test_what_ends_by_an_error_that_nobody_foresaw_closes_its_connections(
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[str, list[PsycopgConnection], pytest.MonkeyPatch], None],
) -> None:
    kept: list[PsycopgConnection] = []
    with pytest.raises(Unforeseen):
        run(database, kept, monkeypatch)
    assert kept, "it had one"
    none_is_open(database)


def test_the_logs_of_a_verb_close_the_client_that_they_had(bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka went away between the two."""
    closed = []

    class Admin(python_admin.PythonAdmin):
        def close(self) -> None:
            super().close()
            closed.append(self)

    def reader(*_: object, **__: object) -> None:
        raise DependencyDown("Kafka does not answer")

    monkeypatch.setattr(logs, "PythonAdmin", Admin)
    monkeypatch.setattr(logs, "PythonReader", reader)
    with pytest.raises(DependencyDown):
        logs.Logs(KafkaSettings.of(bootstrap))
    assert len(closed) == 1


def test_a_schema_that_the_judge_may_not_look_into_costs_only_its_step(database: str) -> None:
    """Like every context that cannot be read."""
    with psycopg.connect(database, autocommit=True) as connection, ExitStack() as resources:
        name = f"judge_{database_of(database)}"
        connection.execute(f"CREATE ROLE {name} LOGIN".encode())
        resources.callback(connection.execute, f"DROP ROLE {name}".encode())
        step = SimpleNamespace(context=Context("search", "search", ()))
        addresses = Addresses({"STRANGLER_DSN": f"{database}?options=-crole%3D{name}"})
        said = _context(step, addresses, resources)  # type: ignore[arg-type] # that much of a step
    assert "may not look into schema 'search'" in str(said)
