"""The same statements in every way to run them: at once, as a file, in steps; never twice."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from legacy_app.plan.plan import plan
from outbox import migrate
from outbox.cli import main as outbox
from outbox.errors import ConfigurationError
from outbox.schema.parts import quoted
from strangler import Policy, Service
from strangler import migrate as migrate_plan
from strangler.cli import main as strangler
from strangler.local.postgres import SERVER, find_package
from tests.integration.stages import plan as plan_module
from tests.migration.dumps import dump
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka
PSQL = find_package() / SERVER.with_name("psql")
ODD = ["my-shop", 'my"odd', "a:b%s {schema}", "größe'", "SELECT"]
NEWEST_PARTITION = "SELECT max(relid::text) FROM pg_partition_tree('outbox.outbox') WHERE isleaf"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def run_by_psql(dsn: str, script: str) -> None:
    argv = [str(PSQL), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", dsn]
    ended = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_script_made_offline_makes_what_a_live_run_makes(
    empty: str,
    database_named: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("STRANGLER_DSN", raising=False)
    assert strangler(["migrate", "--sql", "--plan", "legacy_app/plan/plan.py"]) == 0
    offline = database_named("offline")
    run_by_psql(offline, capsys.readouterr().out)
    with psycopg.connect(empty) as connection:
        migrate_plan(connection, plan)

    assert dump(offline) == dump(empty)
    with psycopg.connect(offline) as connection:
        assert migrate_plan(connection, plan) == []


def test_outbox_alone_is_scripted_too(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["migrate", "--sql"], ["migrate", "--sql", "--consumer", "totals", "--consumer", 'my-"odd']):
        assert outbox(argv, {}) == 0
        run_by_psql(empty, capsys.readouterr().out)

    with psycopg.connect(empty) as connection:
        assert migrate(connection, "outbox", "outbox") == []
        assert migrate(connection, "consumer", "totals") == []
        assert migrate(connection, "consumer", 'my-"odd') == []


def test_a_dry_run_says_what_a_run_does_and_does_nothing(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = dump(empty, tables_expected=False)
    environ = {"STRANGLER_DSN": empty}
    told = []
    for flags in (["--dry-run"], [], []):
        assert outbox(["migrate", *flags], environ) == 0
        told.append(capsys.readouterr().out)
        if flags:
            assert dump(empty, tables_expected=False) == before

    dry, run, again = told
    assert dry.splitlines()[0].replace("would apply", "applied") == run.splitlines()[0]
    assert run.startswith("applied outbox_0001 in outbox: ")
    assert again == "every table is at its newest revision\n"


def test_only_missing_partitions_are_made_later(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        migrate(connection, "outbox", "outbox")
        (newest,) = connection.execute(NEWEST_PARTITION).fetchone() or ("",)
        connection.execute(f"DROP TABLE {newest}".encode())

        assert len(migrate(connection, "outbox", "outbox")) == 1
        assert migrate(connection, "outbox", "outbox") == []


@pytest.mark.parametrize("name", ODD)
def test_databases_and_schemas_have_any_name(name: str, database_named: Callable[[str], str]) -> None:
    dsn = database_named(name)
    with psycopg.connect(dsn) as connection:
        assert connection.info.dbname == name
        made = migrate(connection, "consumer", name)
        assert made == list(migrate.statements("consumer", name))
        assert migrate(connection, "consumer", name) == []
        connection.execute(f"SELECT FROM {quoted(name)}.position".encode())


def test_a_schema_that_is_there_already_keeps_what_it_holds(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        for schema in ("outbox", "totals"):
            connection.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs AS SELECT 1 AS one".encode())
        migrate(connection, "outbox", "outbox")
        migrate(connection, "consumer", "totals")
        assert connection.execute("SELECT a.one + b.one FROM outbox.theirs a, totals.theirs b").fetchone() == (2,)


def test_a_table_of_somebody_else_in_the_way_is_named(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE SCHEMA totals; CREATE TABLE totals.position ()")
        with pytest.raises(ConfigurationError, match="in the schema 'totals': relation \"position\" already exists; "):
            migrate(connection, "consumer", "totals")


def test_tables_of_a_newer_release_are_left_alone(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        migrate(connection, "consumer", "totals")
        connection.execute("UPDATE totals.consumer_version SET version_num = 'consumer_0999'")
        with pytest.raises(ConfigurationError, match="is at 'consumer_0999', this release knows consumer_0001"):
            migrate(connection, "consumer", "totals")


@pytest.mark.parametrize(
    ("part", "schema", "said"),
    [
        ("inbox", "a", "outbox has no part 'inbox'; known parts: outbox, consumer"),
        ("outbox", "mine", "the part 'outbox' stands in the schema 'outbox', got 'mine'"),
        ("consumer", "", "'' cannot name a schema"),
        ("consumer", "x" * 64, "takes 1 to 63 bytes"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is(empty: str, part: str, schema: str, said: str) -> None:
    with psycopg.connect(empty) as connection, pytest.raises(ConfigurationError, match=said):
        migrate(connection, part, schema)
    with pytest.raises(ConfigurationError, match=said):
        list(migrate.statements(part, schema))


def test_of_two_starters_the_second_waits_and_finds_nothing_to_do(empty: str) -> None:
    second: list[list[str]] = []

    def start() -> None:
        with psycopg.connect(empty) as connection:
            second.append(migrate(connection, "consumer", "totals"))

    with psycopg.connect(empty) as first, psycopg.connect(empty, autocommit=True) as watch:
        assert migrate(first, "consumer", "totals")
        other = threading.Thread(target=start)
        other.start()
        wait_until(lambda: watch.execute(WAITING).fetchone() == (1,), within_s=20)
        first.commit()
        other.join(20)
    assert second == [[]]


def test_the_callers_transaction_keeps_its_lock_timeout(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute("SET LOCAL lock_timeout = '7s'")
        migrate(connection, "outbox", "outbox")
        assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)


def test_the_command_needs_no_package_of_the_folder(empty: str, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "__init__.py").write_text("raise SystemExit('imported')")
    environ = {**os.environ, "STRANGLER_DSN": empty}
    plan_file = str(Path(plan_module.__file__))
    argv = [str(Path(sys.executable).with_name("strangler")), "migrate", "--plan", plan_file]
    ended = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_service_alone_is_migrated_with_an_outbox_beside_it(empty: str) -> None:
    policy = Policy.lossless(deadline_s=3600, guard="nothing is called")
    mail = Service("mail", on=("OrderPlaced",), decide=lambda _: [], policy=policy, schema="post")
    with psycopg.connect(empty) as connection:
        made = migrate_plan(connection, mail)
        assert made == list(migrate_plan.statements(mail))
        assert migrate_plan(connection, mail) == []
        connection.execute("SELECT FROM outbox.outbox, post.position, post.claim")
        assert connection.execute("SELECT to_regnamespace('strangler')").fetchone() == (None,)
