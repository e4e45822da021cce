"""The tables that a strangled application needs: strangler's own, and those of each service in a schema of its own.

`migrate(connection, service_or_plan)` brings them to their newest form in the caller's transaction; `strangler migrate`
is the same as a command.
"""

from strangler.schema.granting import Granted, grant, statements_of
from strangler.schema.parts import Migrated, PlacedPart, targets_named, targets_of
from strangler.schema.roles import Role, role_name, roles_of
from strangler.schema.upgrade import behind_of, migrate, pending_of, upgrade_all

__all__ = [
    "Granted",
    "Migrated",
    "PlacedPart",
    "Role",
    "behind_of",
    "grant",
    "migrate",
    "pending_of",
    "role_name",
    "roles_of",
    "statements_of",
    "targets_named",
    "targets_of",
    "upgrade_all",
]
