"""What `strangler run` asks of the database before it starts, and what it brings up to date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from legacy_app.plan import plan as plan_module
from legacy_app.plan.plan import plan
from new_services.search.service import search
from outbox import migrate
from outbox.consumer import RuntimeSettings
from outbox.errors import ConfigurationError
from strangler import migrate as migrate_plan
from strangler.cli import main as strangler
from strangler.errors import RefusedError
from strangler.local.databases import database_of, with_user
from strangler.schema import Role, behind_of, grant, roles_of, targets_of, upgrade_all
from strangler.service.declaration import Service
from strangler.service.resumer import Resumer
from strangler.service.runner import Consuming, require_tables
from strangler.service.serving import consuming_of
from strangler.service.settings import RunSettings
from tests.migration.test_roles import drop

PLAN = Path(plan_module.__file__)


def never(*_given: object) -> Any:
    raise AssertionError("nothing runs here")


resume = Resumer("resume", ("payment",), handler=never, worker=never)
NEWEST_PARTITION = "SELECT max(relid::text) FROM pg_partition_tree('outbox.outbox') WHERE isleaf"
pytestmark = pytest.mark.no_kafka


@pytest.fixture
def roles(database: str) -> Iterator[dict[str, Role]]:
    made = {role.kind: role for role in roles_of(plan, database_of(database))}
    with psycopg.connect(database) as connection:
        grant(connection, list(made.values()))
    yield made
    drop(database, [role.name for role in made.values()])


def consuming(dsn: str) -> Consuming:
    settings = RunSettings.from_environ({"STRANGLER_DSN": dsn, "KAFKA_BOOTSTRAP": "127.0.0.1:9"})
    return consuming_of(search, settings, RuntimeSettings(), "order")


def test_a_service_runs_on_the_tables_of_the_next_release_and_only_migrate_refuses_them(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        migrate_plan(connection, search)
        connection.execute("UPDATE search.consumer_version SET version_num = 'consumer_0999'")
        connection.execute("UPDATE search.context_version SET version_num = 'context_0999'")
        require_tables(connection, consuming(empty))
        with pytest.raises(ConfigurationError, match="is at 'consumer_0999'"):
            migrate(connection, "consumer", "search")


def test_a_service_is_refused_where_its_tables_are_behind_or_of_nobody(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        migrate(connection, "consumer", "search")
        with pytest.raises(RefusedError, match=r"behind: context \(1 revisions\); run `strangler migrate` first"):
            require_tables(connection, consuming(empty))
        connection.execute("UPDATE search.consumer_version SET version_num = 'abc'")
        with pytest.raises(ConfigurationError, match="is at 'abc'"):
            require_tables(connection, consuming(empty))


@pytest.mark.parametrize(("kind", "named"), [("search", search), ("monolith", resume)])
def test_a_processs_own_role_finds_its_tables_up_to_date_and_makes_no_partitions(
    roles: dict[str, Role], database: str, kind: str, named: Service | Resumer
) -> None:
    with psycopg.connect(database) as connection:
        (newest,) = connection.execute(NEWEST_PARTITION).fetchone() or ("",)
        connection.execute(f"DROP TABLE {newest}".encode())
        connection.execute(f'SET LOCAL ROLE "{roles[kind].name}"'.encode())

        assert behind_of(connection, targets_of(named)) == []


def test_a_resumer_gets_what_a_consumer_keeps_and_nothing_else(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        upgrade_all(connection, behind_of(connection, targets_of(resume)))
        connection.execute(f"SELECT FROM {resume.context('').schema}.position".encode())
        found = connection.execute("SELECT to_regclass(%s), to_regnamespace('outbox')", [f"{resume.name}.claim"])
        assert found.fetchone() == (None, None)


def test_a_role_without_the_right_is_told_which_and_what_to_do(
    roles: dict[str, Role], database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = roles["search"].name
    with psycopg.connect(database) as connection:
        connection.execute(f"ALTER ROLE \"{name}\" PASSWORD 'right'".encode())
    monkeypatch.setenv("STRANGLER_DSN", with_user(database, name, "right"))
    monkeypatch.setenv("STRANGLER_PLAN", str(PLAN))

    assert strangler(["status"]) == 2
    said = capsys.readouterr().err
    assert f"strangler: the role '{name}' may not: permission denied for table " in said
    assert "`strangler migrate --roles`" in said

    with psycopg.connect(database) as connection:
        connection.execute(f'REVOKE SELECT ON outbox.outbox_version FROM "{name}"'.encode())
    assert strangler(["migrate"]) == 2
    said = capsys.readouterr().err
    assert "the part 'outbox' in the schema 'outbox': permission denied for table outbox_version; " in said
