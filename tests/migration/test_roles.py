"""What each role may do, and above all what it may not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from legacy_app.plan import plan as plan_module
from legacy_app.plan.plan import plan
from migrations.grants import statements as own_grants
from outbox.consumer.reprocessing.rebuild import Projection, rebuild
from outbox.consumer.reprocessing.rights import Rights
from strangler.cli import main as strangler
from strangler.local.databases import database_of
from strangler.local.stack import Stack
from strangler.local.system import System
from strangler.schema import Role, grant, role_name, roles_of, statements_of
from tests.migration.test_statements import run_by_psql
from tests.support.kafka.memory import MemoryBroker
from tests.support.kafka.memory_reader import MemoryReader
from tests.support.waiting import wait_until

PLAN = Path(plan_module.__file__)
CLAIM = "search.claim (subject_ref, step, number, kind, epoch) VALUES ('a', 'search', 1, 'applied', 1)"
INSERT_EVENT = """
INSERT INTO outbox.outbox (id, aggregatetype, aggregateid, aggregate_version, type, payload)
VALUES ('01a229c0-5400-7000-8000-000000000000', 'o', 'a', 1, 'T', '')"""
KNOWN = "INSERT INTO strangler.subject_alias VALUES ('order', '18', 'b') ON CONFLICT (kind, native_id) DO NOTHING"
OWNED = "INSERT INTO strangler.ownership (subject_ref, epoch, owners) VALUES ('a', 1, '')"
DECLARED = """
INSERT INTO strangler.mode (mode, actor, reason, declared_at, until) VALUES ('a', 'b', 'c', now(), 'infinity')"""
VERDICT = "INSERT INTO strangler.verdict SELECT * FROM strangler.verdict"

HOW_FAR = """
SELECT count(kept_headers) FROM {0}.position, {0}.member, {0}.quarantine, {0}.effect
WHERE resolved_at IS NULL AND next_attempt_at < 'infinity' AND state = 'planned'"""

MAY = {
    "relay": ("SELECT FROM outbox.outbox", "SELECT outbox.make_partition('2031-01-01')"),
    "facade": ("SELECT FROM strangler.epoch, strangler.mode", OWNED, KNOWN, "DELETE FROM strangler.idempotency"),
    "monolith": (
        "DELETE FROM legacy.orders",
        "SELECT FROM strangler.ownership",
        "SELECT strangler.holder_of('stock')",
        "SELECT strangler.pin_alias('order', '17', 'a'), strangler.pin_part('a', 'a.1')",
        "SELECT strangler.record_seam('a', 's', 1, 1, 'done', 'legacy', 1, 1, '{}', '{}', '[]')",
        "INSERT INTO strangler.subject_change (subject_ref, version, type, process) VALUES ('a', 1, 't', 1)",
        "SELECT nextval('strangler.process_number')",
        "SELECT inventory.reserve_stock(ARRAY['a'], ARRAY['sku'], ARRAY[1::bigint])",
        "SELECT fraud.count_order('a', 'customer', 100)",
    ),
    "search": (f"INSERT INTO {CLAIM}", "DELETE FROM search.document", "SELECT FROM search.consumer_version"),
    "fraud": (
        "SELECT fraud.count_order('a', 'customer', 100)",
        "SELECT FROM strangler.mode",
        HOW_FAR.format("inventory"),
    ),
    "inventory": ("SELECT inventory.reserve_stock(ARRAY['a'], ARRAY['sku'], ARRAY[1::bigint])",),
    "judge": (
        "SELECT FROM legacy.orders, search.claim, search.document, payment.effect, outbox.outbox, strangler.stage",
        VERDICT,
    ),
}
MAY_NOT = {
    "relay": (
        INSERT_EVENT,
        "DELETE FROM outbox.outbox",
        "SELECT FROM legacy.orders",
        "SELECT FROM strangler.ownership",
    ),
    "facade": (
        "UPDATE strangler.stage SET stage = 'live'",
        "UPDATE strangler.epoch SET epoch = 9",
        DECLARED,
        "UPDATE strangler.ownership SET owners = ''",
        "UPDATE strangler.subject_alias SET subject_ref = ''",
        "SELECT strangler.pin_part('a', 'a.1')",
        "SELECT FROM outbox.outbox",
        "SELECT FROM legacy.orders",
        "SELECT FROM search.claim",
    ),
    "monolith": (
        "SELECT FROM outbox.outbox",
        "DELETE FROM outbox.outbox",
        "SELECT outbox.make_partition('2031-01-01')",
        "UPDATE strangler.stage SET stage = 'live'",
        "UPDATE strangler.authority SET holder = 'new'",
        "DELETE FROM strangler.ownership",
        "INSERT INTO strangler.seam_record (subject_ref, step, version) VALUES ('a', 's', 1)",
        "DELETE FROM strangler.seam_record",
        "SELECT strangler.record_seam_any('a', 's', 1, 1, 'done', 'legacy', 1, 1, '{}', '{}', '[]')",
        f"INSERT INTO {CLAIM}",
        "SELECT FROM payment.effect",
    ),
    "search": (
        "DELETE FROM search.claim",
        "UPDATE search.quarantine_audit SET reason = ''",
        "UPDATE search.consumer_version SET version_num = ''",
        "SELECT FROM recommendation.claim",
        "SELECT FROM payment.payment",
        "SELECT FROM legacy.orders",
        "SELECT FROM strangler.ownership",
        "SELECT FROM outbox.outbox",
        "DELETE FROM strangler.verdict",
    ),
    "fraud": (
        "SELECT FROM legacy.orders",
        "SELECT FROM inventory.stock",
        "SELECT key, kept_value FROM inventory.quarantine",
        "SELECT body FROM inventory.effect",
        "DELETE FROM inventory.position",
        HOW_FAR.format("payment"),
        "UPDATE strangler.authority SET holder = 'new'",
        DECLARED,
    ),
    "inventory": ("SELECT FROM legacy.orders", "SELECT FROM fraud.decision", "DELETE FROM legacy.stock"),
    "judge": (
        f"INSERT INTO {CLAIM}",
        INSERT_EVENT,
        OWNED,
        "DELETE FROM legacy.orders",
        "UPDATE search.document SET version = 1",
        "UPDATE strangler.stage SET stage = 'live'",
        "DELETE FROM strangler.reconciliation_run",
    ),
}


@pytest.fixture
def roles(stack: Stack, database: str) -> Iterator[dict[str, Role]]:
    """Of the sample, with what it grants of its own tables."""
    prefix = database_of(database)
    made = {role.kind: role for role in roles_of(plan, prefix)}
    with psycopg.connect(database) as connection:
        assert len(grant(connection, list(made.values())).added) == len(made)
        for statement in own_grants(prefix):
            connection.execute(statement.encode())
    yield made
    drop(database, [role.name for role in made.values()])


def drop(dsn: str, names: list[str]) -> None:
    with psycopg.connect(dsn) as connection:
        for name in names:
            connection.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"'.encode())


def run_as(connection: psycopg.Connection[tuple[object, ...]], role: Role, statement: str) -> None:
    """Taken back at once."""
    with connection.transaction(force_rollback=True):
        connection.execute(f'SET LOCAL ROLE "{role.name}"'.encode())
        connection.execute(statement.encode())


def may(connection: psycopg.Connection[tuple[object, ...]], role: Role, statement: str) -> bool:
    try:
        run_as(connection, role, statement)
    except InsufficientPrivilege:
        return False
    return True


@pytest.mark.no_kafka
def test_each_role_may_do_its_own_work_and_no_others(roles: dict[str, Role], database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for kind, statements in MAY.items():
            for statement in statements:
                run_as(connection, roles[kind], statement)
        wrong = [
            (kind, statement)
            for kind, statements in MAY_NOT.items()
            for statement in statements
            if may(connection, roles[kind], statement)
        ]
    assert wrong == []


@pytest.mark.no_kafka
def test_no_role_may_change_tables_or_roles(roles: dict[str, Role], database: str) -> None:
    schemas = ("public", "outbox", "strangler", "legacy", "search")
    statements = (
        *(f"CREATE TABLE {schema}.mine ()" for schema in schemas),
        *("DROP TABLE outbox.outbox", "CREATE SCHEMA mine", "CREATE ROLE mine", "ALTER TABLE search.claim ADD a text"),
    )
    with psycopg.connect(database, autocommit=True) as connection:
        wrong = [(role.kind, one) for role in roles.values() for one in statements if may(connection, role, one)]
        query = "SELECT rolname FROM pg_roles WHERE rolreplication AND rolname = ANY (%s)"
        replicating = connection.execute(query, ([role.name for role in roles.values()],)).fetchall()
    assert wrong == []
    assert replicating == [(roles["relay"].name,)]


@pytest.mark.no_kafka
def test_a_second_run_changes_nothing(roles: dict[str, Role], database: str) -> None:
    with psycopg.connect(database) as connection:
        again = grant(connection, list(roles.values()))
        assert (again.added, again.rights_changed) == ((), False)
        connection.execute(f'REVOKE SELECT ON outbox.outbox FROM "{roles["relay"].name}"'.encode())
        assert grant(connection, list(roles.values())).rights_changed


@pytest.mark.no_kafka
def test_a_rebuilt_projection_keeps_its_owner_and_the_rights_on_it(roles: dict[str, Role], database: str) -> None:
    nothing_read = Projection("search", ("document",), "nobody", ())
    with psycopg.connect(database, autocommit=True, options="-c search_path=search") as connection:
        connection.execute(f'ALTER TABLE search.document OWNER TO "{roles["order"].name}"'.encode())
        connection.execute(f'GRANT SELECT (body) ON search.document TO "{roles["fraud"].name}"'.encode())
        connection.execute(f'GRANT INSERT ON search.document TO "{roles["fraud"].name}" WITH GRANT OPTION'.encode())
        connection.execute("GRANT SELECT ON search.document TO PUBLIC")
        connection.execute("ALTER DEFAULT PRIVILEGES GRANT TRUNCATE ON TABLES TO PUBLIC")
        before = Rights.of(connection, "search", "document")

        rebuild(MemoryReader(MemoryBroker()), connection, nothing_read, lambda _connection, _events: None)

        assert Rights.of(connection, "search", "document") == before
        assert before.owner == roles["order"].name
        for kind, statement in (("search", "DELETE FROM search.document"), ("judge", "SELECT FROM search.document")):
            run_as(connection, roles[kind], statement)


@pytest.mark.no_kafka
def test_the_command_makes_roles_once_or_says_how(
    empty: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRANGLER_DSN", empty)
    prefix = database_of(empty)
    names = [role.name for role in roles_of(plan, prefix)]
    told = []
    try:
        for flags in (["--dry-run"], [], []):
            argv = ["migrate", "--plan", str(PLAN), "--roles", prefix, "--json", *flags]
            assert strangler(argv) == 0
            told.append(json.loads(capsys.readouterr().out))
        assert [one["roles_added"] for one in told] == [names, names, []]
        assert [one["rights_changed"] for one in told] == [True, True, False]
        assert told[2]["statements"] == []
        with psycopg.connect(empty) as connection:
            connection.execute(f'REVOKE SELECT ON outbox.outbox FROM "{role_name(prefix, "relay")}"'.encode())
        lines = []
        for flags in (["--dry-run"], [], []):
            assert strangler(["migrate", "--plan", str(PLAN), "--roles", prefix, *flags]) == 0
            lines.append(capsys.readouterr().out.splitlines()[1:])
        assert lines == [["rights are missing, and would be granted"], ["rights were missing, and are granted"], []]
        assert strangler(["migrate", "--plan", str(PLAN), "--roles", prefix, "--sql"]) == 0
        script = capsys.readouterr().out
        assert "PASSWORD" not in script
        run_by_psql(empty, "BEGIN;" + ";".join(statements_of(roles_of(plan, prefix))) + ";COMMIT;")
    finally:
        drop(empty, names)


@pytest.mark.tour
def test_each_process_runs_as_its_own_role(stack: Stack, database: str, topic_prefix: str) -> None:
    name = database_of(database)
    system = System.start(
        stack,
        plan,
        database=database,
        topic_prefix=topic_prefix,
        only=("vendors", "legacy", "resume", "relay", "search", "order"),
        say=lambda _: None,
        plan_path=PLAN,
    )
    seen = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    try:
        with psycopg.connect(database, autocommit=True) as connection:
            expected = {role_name(name, kind) for kind in ("relay", "monolith", "search", "order")}

            def users() -> set[str]:
                return {str(user) for (user,) in connection.execute(seen, (name,)).fetchall()}

            wait_until(lambda: users() == expected, users)
        passwords = [value for key, value in system.environ.items() if key.endswith("_DSN")]
        logs = "".join(path.read_text(errors="replace") for path in (stack.folder / "logs").glob("*.log"))
        assert not [dsn for dsn in passwords if dsn.rpartition("@")[0].rpartition(":")[2] in logs]
    finally:
        system.stop()
