"""Make the roles of a plan in the caller's transaction, and say what that changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from outbox.schema.drivers import Connection, Cursor, cursor_of
from outbox.schema.upgrade import TAKE_LOCK, explained
from strangler.schema.roles import Role

# Everything that a GRANT can change of what roles are granted here.
RIGHTS = """
SELECT 'table', oid::text, relacl::text FROM pg_class WHERE relacl IS NOT NULL
UNION ALL SELECT 'schema', oid::text, nspacl::text FROM pg_namespace WHERE nspacl IS NOT NULL
UNION ALL SELECT 'function', oid::text, proacl::text FROM pg_proc WHERE proacl IS NOT NULL
UNION ALL SELECT 'member', roleid::text, member::text FROM pg_auth_members"""
NAMES = "SELECT rolname FROM pg_roles"


@dataclass(frozen=True, slots=True)
class Granted:
    """`added`: roles that were not there. `rights_changed`: whether anything was granted that was not yet."""

    added: tuple[str, ...]
    rights_changed: bool


def grant(connection: Connection, roles: Sequence[Role]) -> Granted:
    """Make what is missing of these roles. Commits nothing; a second call changes nothing.

    The tables must be there. `outbox.errors.ConfigurationError` where the connection's role may not make roles.
    """
    if not roles:
        return Granted((), rights_changed=False)
    with closing(cursor_of(connection)) as cursor:
        there, before = _names(cursor), _rights(cursor)
        with explained("the roles"):
            cursor.execute(TAKE_LOCK)
            for statement in statements_of(roles):
                cursor.execute(statement)
        added = tuple(role.name for role in roles if role.name not in there)
        return Granted(added, rights_changed=_rights(cursor) != before)


def statements_of(roles: Sequence[Role]) -> Sequence[str]:
    """Idempotent, for a file too."""
    return [statement for role in roles for statement in role.statements()]


def _names(cursor: Cursor) -> set[str]:
    cursor.execute(NAMES)
    return {str(row[0]) for row in cursor.fetchall()}


def _rights(cursor: Cursor) -> set[tuple[str, ...]]:
    cursor.execute(RIGHTS)
    return {tuple(map(str, row)) for row in cursor.fetchall()}
