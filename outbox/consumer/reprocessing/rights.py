"""Who owns a table, and who may do what with it: CREATE TABLE (LIKE ..) copies neither."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from outbox.connection import PsycopgConnection

# Without a list of its own a table has its owner's default. A grantee 0 is PUBLIC.
RIGHTS = """
WITH one AS (
    SELECT c.oid, relowner, coalesce(relacl, acldefault('r', relowner)) AS acl
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s AND relname = %s
), rights AS (
    SELECT NULL::name AS attname, a.* FROM one, aclexplode(acl) a
    UNION ALL
    SELECT attname, a.* FROM one JOIN pg_attribute ON attrelid = oid AND NOT attisdropped, aclexplode(attacl) a
)
SELECT DISTINCT privilege_type || coalesce(' (' || quote_ident(attname) || ')', ''),
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
    is_grantable
FROM rights ORDER BY 1, 2, 3"""
OWNER = """
SELECT relowner::regrole::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = %s AND relname = %s"""


@dataclass(frozen=True, slots=True)
class Rights:
    """As SQL: the owner, and each grant as what, to whom, and whether they may pass it on."""

    owner: str
    grants: tuple[tuple[str, str, bool], ...]

    @classmethod
    def of(cls, connection: PsycopgConnection, schema: str, table: str) -> Rights:
        """What holds now."""
        (owner,) = connection.execute(OWNER, [schema, table]).fetchone() or ("",)
        found = connection.execute(RIGHTS, [schema, table]).fetchall()
        return cls(str(owner), tuple((str(what), str(whom), bool(passed_on)) for what, whom, passed_on in found))

    def give(self, connection: PsycopgConnection, schema: str, table: str) -> None:
        """Exactly these, in the caller's transaction: what ALTER DEFAULT PRIVILEGES has given is taken back first."""
        name = sql.Identifier(schema, table).as_string(connection)
        now = Rights.of(connection, schema, table)
        if now == self:
            return
        statements = [] if now.owner == self.owner else [f"ALTER TABLE {name} OWNER TO {self.owner}"]
        holders = sorted({self.owner, *(whom for _, whom, _ in now.grants)})
        statements += [f"REVOKE ALL ON {name} FROM {whom}" for whom in holders]
        for what, whom, passed_on in self.grants:
            statements.append(f"GRANT {what} ON {name} TO {whom}{' WITH GRANT OPTION' if passed_on else ''}")
        for statement in statements:
            connection.execute(statement.encode())
