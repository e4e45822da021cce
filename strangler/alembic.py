"""For a team's Alembic: with `include_name`, autogenerate with include_schemas leaves the toolkit's tables alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alembic import context
from sqlalchemy import text

if TYPE_CHECKING:  # SQLAlchemy 1.4 does not export it
    from sqlalchemy import Connection

CONSUMER = frozenset({"consumer_version", "member", "position", "quarantine", "quarantine_audit", "retry_budget"})
CONTEXT = frozenset({"context_version", "claim", "passed_over", "intent", "effect"})
STRANGLER = frozenset(
    {
        *("authority", "authority_move", "backfill", "claim_release", "continuation", "epoch", "hand_back"),
        *("idempotency", "mode", "ownership", "read_count", "reconciliation_run", "seam_record", "stage", "stage_move"),
        *("admission_share", "strangler_version", "subject_alias", "subject_change", "verdict"),
    }
)
OUTBOX = re.compile(r"outbox|outbox_version|outbox_\d{8}")
# Whose tables of these names are ours: where the part's version is kept. A team's `public.position` is the team's.
KEPT = text("SELECT to_regclass(quote_ident(:schema) || '.' || :version) IS NOT NULL")


def include_name(name: str | None, kind: str, parents: Mapping[Any, str | None]) -> bool:
    """False for the toolkit's tables and nothing else: give it to Alembic, or call it first in a hook of your own.

    The contexts' schemas have any name, so the database is asked whether a schema has our tables; within `env.py` its
    connection is at hand. Elsewhere (`compare_metadata` without an environment) only the schemas `outbox` and
    `strangler` are left alone.

    >>> include_name("stage", "table", {"schema_name": "strangler"})
    False
    >>> include_name("orders", "table", {"schema_name": "strangler"})
    True
    """
    if kind != "table" or name is None:
        return True
    schema = parents.get("schema_name")
    if schema == "outbox" and OUTBOX.fullmatch(name):
        return False
    if schema == "strangler" and name in STRANGLER:
        return False
    return not any(name in names and _kept(schema, version) for names, version in PARTS)


PARTS = ((CONSUMER, "consumer_version"), (CONTEXT, "context_version"))


def _kept(schema: str | None, version: str) -> bool:
    connection = _connection()
    if connection is None:
        return False
    given = schema or connection.dialect.default_schema_name
    return bool(connection.execute(KEPT, {"schema": given, "version": version}).scalar())


def _connection() -> Connection | None:
    try:
        return context.get_context().connection
    except (NameError, AttributeError):  # no environment is running, or none is any more
        return None
