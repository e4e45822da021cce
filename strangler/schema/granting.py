"""Make the roles of a plan in the caller's transaction, and say what that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outbox.schema.upgrade import TAKE_LOCK, explained
from outbox.speaking import execute
from strangler.schema.roles import Role

if TYPE_CHECKING:
    from outbox.speaking import AnyConnection

# Everything that a GRANT can change of what roles are granted here.
RIGHTS = """
SELECT 'table', oid::text, relacl::text FROM pg_class WHERE relacl IS NOT NULL
UNION ALL SELECT 'schema', oid::text, nspacl::text FROM pg_namespace WHERE nspacl IS NOT NULL
UNION ALL SELECT 'function', oid::text, proacl::text FROM pg_proc WHERE proacl IS NOT NULL
UNION ALL SELECT 'column', attrelid::text || '.' || attnum, attacl::text FROM pg_attribute WHERE attacl IS NOT NULL
UNION ALL SELECT 'member', roleid::text, member::text FROM pg_auth_members"""
NAMES = "SELECT rolname FROM pg_roles"


@dataclass(frozen=True, slots=True)
class Granted:
    """`added`: roles that were not there. `rights_changed`: whether anything was granted that was not yet."""

    added: tuple[str, ...]
    rights_changed: bool


def grant(connection: AnyConnection, roles: Sequence[Role]) -> Granted:
    """Make what is missing of these roles. Commits nothing; a second call changes nothing.

    The tables must be there. `outbox.errors.ConfigurationError` where the connection's role may not make roles.
    """
    if not roles:
        return Granted((), rights_changed=False)
    with explained("the roles"):
        there, before = _names(connection), _rights(connection)
        execute(connection, TAKE_LOCK, ())
        for statement in statements_of(roles):
            execute(connection, statement.replace("%", "%%"), ())
        added = tuple(role.name for role in roles if role.name not in there)
        return Granted(added, rights_changed=_rights(connection) != before)


def statements_of(roles: Sequence[Role]) -> Sequence[str]:
    """Idempotent, for a file too."""
    return [statement for role in roles for statement in role.statements()]


def _names(connection: AnyConnection) -> set[str]:
    return {str(name) for (name,) in execute(connection, NAMES, ())}


def _rights(connection: AnyConnection) -> set[tuple[str, ...]]:
    return {tuple(map(str, row)) for row in execute(connection, RIGHTS, ())}
