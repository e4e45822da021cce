"""Commands at a database as a newcomer has it: any form of its address, empty, or of a role that may not look."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from outbox.cli import main as outbox
from outbox.schema import upgrade
from outbox.schema.parts import CONSUMER
from strangler.cli import main as strangler
from strangler.local.databases import resolved, url_of, with_database, with_user
from strangler.local.doctor import examine
from strangler.local.left_slot import slot_left
from strangler.local.stack import Stack
from strangler.local.system import System

pytestmark = pytest.mark.no_kafka
PLAN = str(Path(__file__).resolve().parents[2] / "legacy_app" / "plan" / "plan.py")
Command = Callable[[Sequence[str]], int]
READING = (
    ["status"],
    ["history"],
    ["authority", "show"],
    ["choreography", "check"],
    ["effects", "list", "payment"],
    ["review", "list", "fraud"],
    ["policy", "check"],
    ["quarantine", "list"],
    ["positions", "show"],
    ["migrate", "--dry-run"],
)


@pytest.fixture
def empty(stack: Stack) -> Iterator[str]:
    """The DSN of a database that was never migrated."""
    name = f"test_{secrets.token_hex(6)}"
    yield stack.databases.ensure(name)
    stack.databases.drop(name)


@pytest.fixture
def stranger(database: str) -> Iterator[tuple[str, str]]:
    """A role that may connect and no more; its name and its DSN."""
    name = f"stranger_{secrets.token_hex(4)}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'".encode())
        yield name, with_user(database, name, "x")
        connection.execute(f"DROP OWNED BY {name}".encode())
        connection.execute(f"DROP ROLE {name}".encode())


@pytest.mark.parametrize("argv", [one for one in READING if one[0] not in ("migrate", "choreography")])
def test_a_database_that_was_never_migrated_is_not_told_as_empty(
    empty: str, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = strangler([*argv, "--plan", PLAN, "--dsn", empty])

    told = capsys.readouterr()
    assert (code, told.out) == (2, ""), told
    assert "migrate" in told.err
    assert "Traceback" not in told.err


def test_a_role_that_may_not_look_is_told_so_by_every_verb(
    stranger: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in READING:
        code = strangler([*argv, "--plan", PLAN, "--dsn", stranger[1]])

        told = capsys.readouterr()
        assert (code, told.out) == (2, ""), (argv, told)
        assert "may not" in told.err or "may look nowhere" in told.err, (argv, told.err)
        assert "Traceback" not in told.err


@pytest.mark.parametrize(("run", "verb"), [(outbox, "quarantine"), (strangler, "positions")])
def test_what_a_role_may_not_see_is_named_beside_what_it_may(
    toolkit: str, stranger: tuple[str, str], run: Command, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = stranger[0]
    with psycopg.connect(toolkit) as connection:
        for schema in ("seen", "hidden"):
            upgrade(connection, CONSUMER, schema)
        connection.execute(f"GRANT USAGE ON SCHEMA seen TO {name}".encode())
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA seen TO {name}".encode())
    dsn = with_user(toolkit, name, "x")
    argv = [verb, "list" if verb == "quarantine" else "show", "--dsn", dsn]
    try:
        assert run(argv) == 2
        told = capsys.readouterr()
        assert "NOT looked into: " in told.err
        assert "hidden" in told.err
        assert "seen" not in told.err
        assert run([*argv, "--schema", "seen"]) == 0
    finally:
        with psycopg.connect(toolkit) as connection:
            connection.execute(f"DROP OWNED BY {name}".encode())


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_migrated_and_read(stack: Stack, empty: str, encoding: str) -> None:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'".encode())
    dsn = with_database(empty, name)
    environ = {key: text for key, text in os.environ.items() if key != "PGCLIENTENCODING"}
    try:
        for verb in ("migrate", "status"):
            argv = [sys.executable, "-m", "strangler", verb, "--plan", PLAN, "--dsn", dsn]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environ)
            assert (done.returncode, "b'" in done.stdout) == (0, False), done.stderr
    finally:
        stack.databases.drop(name)


def forms(dsn: str, folder: Path) -> Iterator[tuple[str, str | None]]:
    """The same database in every form that libpq takes; a service's file beside the one that needs it."""
    parts = conninfo_to_dict(dsn)
    yield dsn, None
    yield dsn.replace("postgresql://", "postgres://"), None
    yield " ".join(f"{name}='{value}'" for name, value in parts.items()), None
    yield (
        f"postgresql:///{parts['dbname']}?"
        + "&".join(f"{name}={value}" for name, value in parts.items() if name != "dbname"),
        None,
    )
    yield dsn.replace("test_", "%74est_"), None
    service = folder / "pg_service.conf"
    service.write_text("[shop]\n" + "".join(f"{name}={value}\n" for name, value in parts.items()))
    yield "service=shop", str(service)
    yield "postgresql://?service=shop", str(service)


def test_every_command_takes_every_form_of_a_dsn(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for dsn, service in forms(database, tmp_path):
        if service is not None:
            monkeypatch.setenv("PGSERVICEFILE", service)
        for run, argv in ((outbox, ["quarantine", "list"]), (strangler, ["history", "--plan", PLAN])):
            assert run([*argv, "--dsn", dsn]) == 0, (dsn, capsys.readouterr().err)
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            url = resolved(dsn, connection)
        monkeypatch.delenv("PGSERVICEFILE", raising=False)
        assert conninfo_to_dict(url).items() >= conninfo_to_dict(database).items(), url
        assert "service" not in url
        psycopg.connect(url, connect_timeout=5).close()


def test_a_url_of_parts_is_read_back_as_they_were() -> None:
    for parts in (
        {"host": "/run/pg", "user": "me", "password": "a/b@c%d", "dbname": "my db"},
        {"host": "a,b", "port": "1,2", "dbname": "shop", "target_session_attrs": "read-write"},
        {"host": "::1", "port": "5432", "user": "ä", "dbname": 'q"'},
        {"dbname": "shop", "options": "-c search_path=a,b"},
    ):
        assert conninfo_to_dict(url_of(parts)) == parts


def test_the_slot_that_stays_on_a_given_server_is_told_with_the_way_out(database: str) -> None:
    assert slot_left(database, "left_slot") is None
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('left_slot', 'pgoutput')")
    said = slot_left(database, "left_slot")
    assert said is not None
    assert "keeps all its WAL" in said
    assert "SELECT pg_drop_replication_slot('left_slot')" in said
    unseen = str(slot_left("postgresql://a@127.0.0.1:1/x", "left_slot"))
    assert "could not look" in unseen
    assert "connection to server at" in unseen


def test_the_doctor_sees_what_a_role_may_not(stranger: tuple[str, str], empty: str, tmp_path: Path) -> None:
    findings = examine(tmp_path, "127.0.0.1:1", {"STRANGLER_DSN": with_user(empty, stranger[0], "x")})

    missing = {finding.need: finding for finding in findings if not finding.ok}
    assert "GRANT CREATE ON DATABASE" in missing["the right to make tables, or tables"].fix
    assert "the right to replicate" in missing


WAITS_FOR_THE_OTHERS = """
import pathlib, signal, sys, time
folder, me, count = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def asked(*_):
    (folder / me).touch()
    while len(list(folder.iterdir())) < count:
        time.sleep(0.01)
    sys.exit(0)
signal.signal(signal.SIGTERM, asked)
print("ready", flush=True)
while True:
    time.sleep(60)
"""


def test_a_system_asks_its_processes_to_stop_at_once(stack: Stack, tmp_path: Path) -> None:
    """Each ends only when all have been asked: one after the other they would be killed, after 10 s each."""
    told: list[str] = []
    system = System(stack, {}, told.append)
    names = ("relay", "search", "mail")
    for name in names:
        argv = (sys.executable, "-c", WAITS_FOR_THE_OTHERS, str(tmp_path), name, str(len(names)))
        system.running[name] = stack.spawn(f"stopped-{name}", argv, env={}, ready=lambda one: one.said_ready())
    running = list(system.running.values())

    system.stop()

    assert [one.terminate(0) for one in running] == [0, 0, 0]
    assert told == ["stopping stopped-relay, stopped-search, stopped-mail"]
