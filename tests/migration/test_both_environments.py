"""The packages' own environments make what `migrations/` makes; this goes with the latter."""

from __future__ import annotations

import psycopg
import pytest

from legacy_app.plan import plan
from migrations.shapes import CONTEXT_4, CONTEXT_5
from strangler.local.stack import Stack
from strangler.schema import migrate
from tests.migration.dumps import dump

CONTEXTS = ("notification", "search", "recommendation", "fraud", "inventory", "payment", "ordering")
CONSUMER = ("position", "quarantine", "quarantine_audit", "retry_budget")
CONTEXT = ("claim", "intent", "effect")
VERSIONS = ("consumer_version", "context_version", "outbox_version", "strangler_version")


@pytest.mark.no_kafka
def test_the_packages_make_the_same_tables_as_before(stack: Stack, database: str) -> None:
    with psycopg.connect(database) as connection:
        for schema in CONTEXTS:  # shapes that only some contexts had
            wanted = {"recommendation": (), "search": CONTEXT_5}.get(schema, (*CONTEXT_4, *CONTEXT_5))
            for statement in wanted:
                connection.execute(statement.format(schema=schema).encode())
    name = "packages"
    fresh = stack.databases.ensure(name)
    with psycopg.connect(fresh) as connection:
        migrate(connection, plan)
    try:
        relations = [f"{schema}.{table}" for schema in CONTEXTS for table in (*CONSUMER, *CONTEXT)]
        relations += [f"resume.{table}" for table in CONSUMER]
        assert dump(database, relations=relations) == dump(fresh, relations=relations)
        whole = ("outbox", "strangler")
        own = [one for one in dump(fresh, schemas=whole) if not any(version in one for version in VERSIONS)]
        assert own == dump(database, schemas=whole)
        assert publications(fresh) == publications(database)
    finally:
        stack.databases.drop(name)


def publications(dsn: str) -> list[object]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT pubname, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot FROM pg_publication"
        )
        return [*rows, *connection.execute("SELECT * FROM pg_publication_tables ORDER BY 1, 2, 3")]
