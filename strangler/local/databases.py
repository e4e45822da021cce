"""Databases of a server: made, migrated, cloned from a migrated template, dropped with their replication slots."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from outbox.connection import connect
from strangler.errors import DependencyDown
from strangler.local.tables import Tables, WantedTables, make, wanted
from strangler.local.waiting import wait_until

DROP_WITHIN_S = 10.0
LIMITS = "-c statement_timeout=120s"  # a database is copied by one statement
PARTS = ("host", "port", "user", "dbname")
URLS = ("postgresql://", "postgres://")

EXISTS = "SELECT 1 FROM pg_database WHERE datname = %s"
CREATE = sql.SQL("CREATE DATABASE {name} TEMPLATE {template}")
DROP = sql.SQL("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
STOP_SLOT_READERS = """
SELECT pg_terminate_backend(active_pid)
FROM pg_replication_slots WHERE database = %s AND active_pid IS NOT NULL"""
# A slot in use cannot be dropped; its reader was told to go and may need a moment.
DROP_SLOTS = """
SELECT pg_drop_replication_slot(slot_name)
FROM pg_replication_slots WHERE database = current_database() AND active_pid IS NULL"""
ROLES = "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = %s"
DROP_ROLE = sql.SQL("DROP ROLE {role}")
SLOTS_LEFT = "SELECT 1 FROM pg_replication_slots WHERE database = %s LIMIT 1"


def mark_of(name: str) -> str:
    """The comment on roles that were made for this database only."""
    return f"strangler-toolkit: for the database {name}"


def with_database(dsn: str, name: str) -> str:
    """The same server and user, another database; as a URL, whatever form the DSN has.

    >>> with_database("host=host port=5432 user=me dbname=shop", 'my"odd')
    'postgresql://me@host:5432/my%22odd'
    """
    return url_of({**conninfo_to_dict(dsn), "dbname": name})


def with_user(dsn: str, name: str, password: str) -> str:
    """The same server and database, another user."""
    return url_of({**conninfo_to_dict(dsn), "user": name, "password": password})


def database_of(dsn: str) -> str:
    """As the DSN names it; empty where it leaves that to libpq."""
    return str(conninfo_to_dict(dsn).get("dbname") or "")


def resolved(dsn: str, connection: psycopg.Connection[Any]) -> str:
    """As a URL with its server, user and database, for other processes, which may have other defaults.

    `connection` was made by it: what a service or libpq filled in stands there.
    """
    given, info = conninfo_to_dict(dsn), connection.info
    if all(given.get(part) for part in PARTS) and dsn.startswith(URLS):
        return dsn
    if given.pop("service", None):
        given = {**info.get_parameters(), **given, **({"password": info.password} if info.password else {})}
        for ours in ("service", "connect_timeout"):
            given.pop(ours, None)
    found = {"host": info.host, "port": info.port, "user": info.user, "dbname": info.dbname}
    return url_of({**found, **{name: value for name, value in given.items() if value}})


def url_of(parameters: Mapping[str, Any]) -> str:
    """A DSN as a URL, of libpq's parameters. A socket's folder and several hosts stand in its query.

    >>> url_of({"host": "/run/pg", "port": 5432, "user": "me", "dbname": "shop", "sslmode": "require"})
    'postgresql://me@/shop?host=%2Frun%2Fpg&port=5432&sslmode=require'
    """
    rest = {name: str(value) for name, value in parameters.items() if value is not None}
    user, password, name = (rest.pop(part, "") for part in ("user", "password", "dbname"))
    who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    host, port = rest.get("host", ""), rest.get("port", "")
    where = ""
    if host and not host.startswith(("/", "@")) and "," not in host + port:
        where = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        rest = {key: value for key, value in rest.items() if key not in ("host", "port")}
    netloc = (f"{who}@" if who else "") + where
    query = f"?{urlencode(rest, quote_via=quote, safe='')}" if rest else ""
    return f"postgresql://{netloc}/{quote(name, safe='')}{query}"


class Databases:
    """Of one server. `admin_dsn` may create databases."""

    def __init__(self, admin_dsn: str) -> None:
        self._admin_dsn = admin_dsn
        self._templates: dict[WantedTables, str] = {}

    def ensure(self, name: str) -> str:
        """The DSN of a database that exists afterwards; nothing in it is changed."""
        with connect(self._admin_dsn, LIMITS, autocommit=True) as connection:
            if connection.execute(EXISTS, (name,)).fetchone() is None:
                connection.execute(CREATE.format(name=sql.Identifier(name), template=sql.Identifier("template1")))
        return with_database(self._admin_dsn, name)

    def clone(self, name: str, tables: Tables) -> str:
        """A fresh database with these tables, and outbox partitions for the next days.

        It is copied from a template, which is made on first use.
        """
        template = self._template(wanted(tables))
        with connect(self._admin_dsn, LIMITS, autocommit=True) as connection:
            connection.execute(CREATE.format(name=sql.Identifier(name), template=sql.Identifier(template)))
        return with_database(self._admin_dsn, name)

    def drop(self, name: str) -> None:
        """Drop it, its connections, its replication slots, and the roles that were made for it."""
        with connect(self._admin_dsn, LIMITS, autocommit=True) as connection:
            if connection.execute(EXISTS, (name,)).fetchone() is None:
                return
            if _slots_left(connection, name):
                self._drop_slots(name)
            connection.execute(DROP.format(name=sql.Identifier(name)))
            for (role,) in connection.execute(ROLES, (mark_of(name),)).fetchall():
                connection.execute(DROP_ROLE.format(role=sql.Identifier(role)))

    def _drop_slots(self, name: str) -> None:
        """From within the database: a logical slot is dropped nowhere else."""
        with connect(with_database(self._admin_dsn, name), LIMITS, autocommit=True) as inside:
            if not wait_until(lambda: _slots_dropped(inside, name), within_s=DROP_WITHIN_S):
                raise DependencyDown(f"database {name} has replication slots in use; stop their readers")

    def drop_templates(self) -> None:
        for template in self._templates.values():
            self.drop(template)
        self._templates.clear()

    def _template(self, made_of: WantedTables) -> str:
        if made_of not in self._templates:
            # A new name per run: one left behind by a run that was killed may be of older tables.
            name = self._templates[made_of] = f"strangler_template_{secrets.token_hex(4)}"
            make(self.ensure(name), made_of)
        return self._templates[made_of]


def _slots_dropped(inside: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    inside.execute(STOP_SLOT_READERS, (name,))
    inside.execute(DROP_SLOTS)
    return not _slots_left(inside, name)


def _slots_left(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    return connection.execute(SLOTS_LEFT, (name,)).fetchone() is not None
