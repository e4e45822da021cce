"""The local stack: what it starts, how it stops, and that nothing outlives it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from strangler.errors import BadInput, DependencyDown, RefusedError, StranglerError
from strangler.local.kafka_probe import kafka_answers
from strangler.local.ports import Ports
from strangler.local.postgres import SETTINGS, Postgres
from strangler.local.spawner import Spawner
from strangler.local.stack import Stack, check_postgres

TEMPLATES = "SELECT count(*) FROM pg_database WHERE datname LIKE 'strangler_template_%'"


@pytest.fixture
def folder() -> Iterator[Path]:
    """For a stack of a test's own; open to others, as root's PostgreSQL runs as somebody else."""
    path = Path(tempfile.mkdtemp(prefix="strangler-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_database_is_fresh_and_migrated(stack: Stack, database: str) -> None:
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT epoch FROM strangler.epoch").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM outbox.outbox").fetchone() == (0,)
        assert connection.execute("SHOW wal_level").fetchone() == ("logical",)


def test_databases_do_not_see_each_other(stack: Stack, database: str) -> None:
    other = stack.database("other_database", ("outbox",))
    with psycopg.connect(other) as connection:
        assert connection.execute("SELECT to_regclass('strangler.epoch')").fetchone() == (None,)
    stack.databases.drop("other_database")


def test_a_dropped_database_takes_its_replication_slots_along(stack: Stack) -> None:
    dsn = stack.database("with_slot", ("outbox",))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('left_behind', 'pgoutput')")
        stack.databases.drop("with_slot")
    with psycopg.connect(stack.dsn) as connection:
        query = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'left_behind'"
        assert connection.execute(query).fetchone() == (0,)


def test_two_stacks_do_not_share_a_folder(stack: Stack) -> None:
    with pytest.raises(RefusedError, match="another stack"):
        Stack.start(stack.folder, say=lambda _: None)


def test_given_addresses_are_used_and_left_running(stack: Stack, folder: Path) -> None:
    with psycopg.connect(stack.dsn) as connection:
        before = connection.execute(TEMPLATES).fetchone()
    with Stack.start(folder, kafka=stack.bootstrap, dsn=stack.dsn, say=lambda _: None) as second:
        assert (second.dsn, second.bootstrap) == (stack.dsn, stack.bootstrap)
        assert second.servers() == []
        dsn = second.database("by_address", ("outbox",))
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT count(*) FROM outbox.outbox").fetchone() == (0,)
        second.databases.drop("by_address")
    with psycopg.connect(stack.dsn) as connection:
        assert connection.execute(TEMPLATES).fetchone() == before  # its own went with it
    assert all(server.alive() for server in stack.servers())


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"kafka": "rabbit"}, BadInput, "embedded, apache or host:port"),
        ({"kafka": "127.0.0.1:1"}, DependencyDown, "no Kafka answers at 127.0.0.1:1"),
        ({"dsn": "postgresql://postgres:secret@127.0.0.1:1/x"}, DependencyDown, "STRANGLER_DSN"),
    ],
)
def test_a_wrong_address_is_said_and_nothing_is_left(
    folder: Path, given: dict[str, str], error: type[StranglerError], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        Stack.start(folder, kafka=given.get("kafka", "embedded"), dsn=given.get("dsn"), say=lambda _: None)
    assert "secret" not in str(raised.value)
    with pytest.raises(error, match=words):  # not: another stack runs from here
        Stack.start(folder, kafka=given.get("kafka", "embedded"), dsn=given.get("dsn"), say=lambda _: None)


def test_the_wrong_wal_level_is_refused_with_the_fix(folder: Path) -> None:
    (folder / "logs").mkdir()
    spawner = Spawner()
    postgres = Postgres(folder, Ports(), spawner, SETTINGS | {"wal_level": "replica"})
    postgres.start()
    try:
        with pytest.raises(DependencyDown, match="ALTER SYSTEM SET wal_level = logical"):
            check_postgres(postgres.dsn("postgres"))
    finally:
        postgres.running.terminate()
        spawner.close()


def test_data_survives_a_kill_of_everything_in_a_closed_folder(kafka_kind: str, folder: Path) -> None:
    folder.chmod(0o700)
    with Stack.start(folder, kafka=kafka_kind, say=lambda _: None) as stack:
        with psycopg.connect(stack.dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        assert stack.postgres is not None
        stack.postgres.running.kill()
        stack.postgres.start()
        for server in stack.servers():
            if server.name == "kafka":
                server.kill()
                assert not kafka_answers(stack.bootstrap)
                server.start()
                assert kafka_answers(stack.bootstrap)
    with Stack.start(folder, kafka=kafka_kind, say=lambda _: None) as stack:
        with psycopg.connect(stack.dsn) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
        assert stack.postgres is not None
    stack.postgres.remove_shelter()
