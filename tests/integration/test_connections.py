"""What a DSN says of its sessions holds in every connection of the toolkit's, beside the limits that it sets itself."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from outbox import Consumer
from outbox.cli import parser as outbox_parser
from outbox.connection import PsycopgConnection, connect
from outbox.errors import ConfigurationError, DependencyDown
from outbox.relay.wal import connect_replication
from outbox.verbs.call import Call
from outbox.verbs.lag import lag
from strangler.addresses import Addresses
from strangler.cli.topology import _mark
from strangler.contexts import Context
from strangler.errors import DependencyDown as StranglerDown
from strangler.local.databases import with_user
from strangler.local.stack import check_postgres
from strangler.service import RunSettings

pytestmark = pytest.mark.no_kafka
SAYS = "?options=-c%20jit%3Doff"

OPENED: dict[str, Callable[[dict[str, str]], PsycopgConnection]] = {
    "judge": lambda environ: Addresses(environ).legacy(),
    "service": lambda environ: RunSettings.from_environ(environ).connect("search", autocommit=True),
    "relay": lambda environ: connect_replication(environ["STRANGLER_DSN"]),
}


@pytest.mark.parametrize("name", OPENED)
def test_what_a_dsn_says_of_its_sessions_holds(database: str, name: str) -> None:
    environ = {"STRANGLER_DSN": database + SAYS, "KAFKA_BOOTSTRAP": "127.0.0.1:1"}

    with closing(OPENED[name](environ)) as connection:
        assert connection.execute("SHOW jit").fetchone() == ("off",)
        limits = connection.execute("SHOW statement_timeout").fetchone()
    assert limits == {"judge": ("2min",), "service": ("30s",), "relay": ("0",)}[name]


@pytest.fixture
def closed(database: str) -> Iterator[str]:
    """The DSN of a role that may connect and look into no schema but one with an odd name, which is empty."""
    name = f"closed_{secrets.token_hex(4)}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'".encode())
        connection.execute(f'CREATE SCHEMA "my \\""odd" AUTHORIZATION {name}'.encode())
        yield with_user(database, name, "x")
        connection.execute(f"DROP OWNED BY {name}".encode())
        connection.execute(f"DROP ROLE {name}".encode())


def asked_by_the_lag(dsn: str) -> None:
    environ = {"STRANGLER_DSN": dsn, "KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    lag(Call(outbox_parser().parse_args(["lag", "--group", "search", "--topic", "order"]), environ))


REFUSED: dict[str, Callable[[str], object]] = {
    "judge": lambda dsn: Addresses({"STRANGLER_DSN": dsn}).context(Context("search", "search", ())),
    "service": lambda dsn: RunSettings.from_environ({"STRANGLER_DSN": dsn, "KAFKA_BOOTSTRAP": "127.0.0.1:1"}).connect(
        "search"
    ),
    "consumer": lambda dsn: Consumer(
        topics=["a"], group="search", handler=lambda _connection, _events: None, dsn=dsn, bootstrap="127.0.0.1:1"
    ).run(),
    "lag": asked_by_the_lag,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_role_that_may_not_look_into_a_schema_is_told_so(closed: str, name: str) -> None:
    """PostgreSQL would say that its tables are not there."""
    with pytest.raises(ConfigurationError, match="may not look into schema 'search'; give the DSN of one that may"):
        REFUSED[name](closed)


def test_a_schema_of_any_name_is_looked_into_beyond_a_rollback(closed: str) -> None:
    with closing(connect(closed, schema='my \\"odd')) as connection:
        connection.rollback()
        assert connection.execute("SELECT current_schema()").fetchone() == ('my \\"odd',)


def test_a_server_that_does_not_answer_is_told_in_one_text() -> None:
    """By whoever asks, with what libpq said first and the next step."""
    nobody, kafka = "postgresql://app:s3cret@127.0.0.1:1/x", "127.0.0.1:1"
    asked: dict[str, Callable[[], object]] = {
        "relay": lambda: connect_replication(nobody),
        "consumer": lambda: Consumer(
            topics=["a"], group="g", handler=lambda _connection, _events: None, dsn=nobody, bootstrap=kafka
        ).run(),
        "up": lambda: check_postgres(nobody),
        "topology": lambda: _mark({"STRANGLER_DSN": nobody}),
    }
    for name, ask in asked.items():
        with pytest.raises((DependencyDown, StranglerDown)) as down:
            ask()
        said = str(down.value)
        assert re.match(r"PostgreSQL does not answer: connection .* failed: .*; check (STRANGLER_DSN|the DSN)", said), (
            name
        )
        assert "and that it runs" in said
        assert "s3cret" not in said
