"""Every process as a role of its own: roles, rights and passwords for one database of the local stack."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from psycopg import sql

from outbox.connection import PsycopgConnection, connect
from strangler.local.databases import database_of, mark_of, with_user
from strangler.local.tables import databases_of, run_own
from strangler.plan import Plan
from strangler.schema import Role, grant, roles_of

MAY = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
SET_PASSWORD = sql.SQL("ALTER ROLE {role} PASSWORD {verifier}")
MARK = sql.SQL("COMMENT ON ROLE {role} IS {mark}")


def dsns_of_roles(dsn: str, plan: Plan, environ: Mapping[str, str]) -> Mapping[str, str]:
    """A DSN for each kind of role; the tables must be there. Empty where the DSN's role is no superuser: it may lack
    a right that it would have to grant. `environ`: what the plan's `own_grants` gets beside ours.

    Passwords are new with each call, stand nowhere but in what is returned, and reach the server as verifiers only.
    """
    prefix = database_of(dsn)
    roles = roles_of(plan, prefix)
    with connect(dsn) as connection:
        if connection.execute(MAY).fetchone() != (True,):
            return {}
        grant(connection, roles)
        dsns = {role.kind: _with_password(connection, dsn, role) for role in roles}
    run_own((*plan.own_grants, prefix), dsn, {**environ, **databases_of(plan.processes, dsn)})
    return dsns


def _with_password(connection: PsycopgConnection, dsn: str, role: Role) -> str:
    password = secrets.token_urlsafe(32)
    verifier = connection.pgconn.encrypt_password(password.encode(), role.name.encode()).decode()
    name = sql.Identifier(role.name)
    connection.execute(SET_PASSWORD.format(role=name, verifier=sql.Literal(verifier)))
    # Whoever drops the database finds by it what goes with it.
    connection.execute(MARK.format(role=name, mark=sql.Literal(mark_of(database_of(dsn)))))
    return with_user(dsn, role.name, password)
