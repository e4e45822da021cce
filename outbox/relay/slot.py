"""The replication slot: inspected, made when there is none, refused when events would be lost. Fail closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from outbox.connection import PsycopgConnection, connect, first_line
from outbox.errors import ConfigurationError, DependencyDown
from outbox.relay.wal import connect_replication

CREATE_WITHIN_MS = 60_000
SKIP_EXISTING = "OUTBOX_SKIP_EXISTING=1, or Relay(..., skip_existing=True)"

WAL_LEVEL = "SELECT current_setting('wal_level')"
PUBLICATION = """
SELECT p.pubinsert, p.pubviaroot, p.pubupdate OR p.pubdelete OR p.pubtruncate AS more,
       p.puballtables OR EXISTS (SELECT FROM pg_publication_rel r
                                 WHERE r.prpubid = p.oid AND r.prrelid = 'outbox.outbox'::regclass) AS covers
FROM pg_publication p WHERE p.pubname = %s"""
SLOT = """
SELECT slot_name::text AS name, plugin::text AS plugin, database::text AS database,
       database = current_database() AS is_here, active, wal_status,
       (confirmed_flush_lsn - '0/0')::bigint AS confirmed_lsn,
       pg_wal_lsn_diff(pg_current_wal_flush_lsn(), confirmed_flush_lsn)::bigint AS lag_bytes,
       pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn)::bigint AS kept_bytes,
       safe_wal_size AS safe_bytes
FROM pg_replication_slots WHERE slot_name = %s"""
# Under the slot's own snapshot this is exactly what the slot will never deliver.
HAS_EVENTS = "SELECT EXISTS (SELECT FROM outbox.outbox)"
CREATE = sql.SQL("CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput EXPORT_SNAPSHOT")
DROP = sql.SQL("DROP_REPLICATION_SLOT {slot}")
ADOPT_SNAPSHOT = sql.SQL("SET TRANSACTION SNAPSHOT {name}")


@dataclass(frozen=True, slots=True)
class SlotState:
    """A row of pg_replication_slots. `lag_bytes`: WAL not yet confirmed; `safe_bytes`: None = kept without limit."""

    name: str
    plugin: str | None
    database: str | None
    is_here: bool | None
    active: bool
    wal_status: str | None
    confirmed_lsn: int | None
    lag_bytes: int | None
    kept_bytes: int | None
    safe_bytes: int | None


Rows: TypeAlias = "tuple[object, ...]"


def inspect(connection: PsycopgConnection, slot: str) -> SlotState | None:
    """The slot's state, None if there is no such slot."""
    with connection.cursor(row_factory=class_row(SlotState)) as cursor:
        return cursor.execute(SLOT, (slot,)).fetchone()


def check(connection: PsycopgConnection, *, slot: str, publication: str) -> SlotState | None:
    """Refuse what cannot work; the slot's state, None if it still has to be made."""
    level = _one(connection, WAL_LEVEL)[0]
    if level != "logical":
        raise ConfigurationError(
            f"wal_level is {level!r}, the relay needs 'logical'; run ALTER SYSTEM SET wal_level = logical and restart "
            "(docs/howto/wal-and-slots.md#before-the-first-start)"
        )
    _check_publication(connection, publication)
    state = inspect(connection, slot)
    if state is not None:
        _check_slot(state)
    return state


def ensure(dsn: str, *, slot: str, publication: str, skip_existing: bool) -> bool:
    """Check, and make the slot when it is missing; True when it was made.

    A new slot delivers only what is committed after it. With events already in the table that is a loss, so it is
    refused (`ConfigurationError`) unless `skip_existing` says that they are known not to be wanted.
    """
    with connect(dsn, autocommit=True) as connection:
        if check(connection, slot=slot, publication=publication) is not None:
            return False
        if not skip_existing and _one(connection, HAS_EVENTS)[0]:
            raise _refusal(slot)
        with connect_replication(dsn) as replication:
            _create(connection, replication, slot, skip_existing=skip_existing)
    return True


def _create(connection: PsycopgConnection, replication: PsycopgConnection, slot: str, *, skip_existing: bool) -> None:
    """Waits for the transactions under way, so it has a limit."""
    try:
        replication.execute(f"SET statement_timeout = {CREATE_WITHIN_MS}")
        made = replication.execute(CREATE.format(slot=sql.Identifier(slot))).fetchone()
    except psycopg.errors.DuplicateObject:
        return  # another relay was quicker, and has checked
    except psycopg.errors.QueryCanceled as error:
        raise DependencyDown(
            f"slot {slot!r} was not made in {CREATE_WITHIN_MS} ms: a long transaction is in the way; "
            "see pg_stat_activity, end it or wait"
        ) from error
    except psycopg.errors.ConfigurationLimitExceeded as error:
        raise ConfigurationError(f"{first_line(error)}; raise max_replication_slots or drop unused slots") from error
    if made is None:
        raise DependencyDown(f"PostgreSQL did not say how slot {slot!r} was made; try again")
    if not skip_existing and _has_events_before(connection, snapshot=made[2]):
        replication.execute(DROP.format(slot=sql.Identifier(slot)))
        raise _refusal(slot)


def _has_events_before(connection: PsycopgConnection, *, snapshot: str) -> bool:
    """The race: an event committed between the first look and the slot's start."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(ADOPT_SNAPSHOT.format(name=sql.Literal(snapshot)))
        return bool(_one(connection, HAS_EVENTS)[0])


def _check_publication(connection: PsycopgConnection, publication: str) -> None:
    if _one(connection, "SELECT to_regclass('outbox.outbox')")[0] is None:
        raise ConfigurationError("there is no table outbox.outbox here; run: outbox migrate")
    with connection.cursor() as cursor:
        row = cursor.execute(PUBLICATION, (publication,)).fetchone()
    if row is None:
        raise ConfigurationError(
            f"there is no publication {publication!r}; run: outbox migrate; "
            "the command `outbox relay` takes another one by OUTBOX_PUBLICATION"
        )
    inserts, via_root, more, covers = row
    if not (inserts and via_root and covers) or more:
        raise ConfigurationError(
            f"publication {publication!r} must be FOR TABLE outbox.outbox WITH (publish = 'insert', "
            f"publish_via_partition_root = true); found insert={inserts}, more={more}, root={via_root}, table={covers}"
        )


def _check_slot(state: SlotState) -> None:
    if not state.is_here or state.plugin != "pgoutput":
        raise ConfigurationError(
            f"slot {state.name!r} belongs to database {state.database!r} and plugin {state.plugin!r}; "
            "set OUTBOX_SLOT, or Relay(..., slot=...), to a name of this database's own"
        )
    if state.wal_status == "lost":
        raise ConfigurationError(
            f"slot {state.name!r} is lost: the server threw away WAL that was never published "
            "(max_slot_wal_keep_size). Find the events missing in the topics, publish them again, then "
            f"SELECT pg_drop_replication_slot('{state.name}') and start with {SKIP_EXISTING} "
            "(docs/howto/wal-and-slots.md#a-slot-that-is-lost)"
        )


def _refusal(slot: str) -> ConfigurationError:
    return ConfigurationError(
        f"there is no slot {slot!r}, but outbox.outbox already holds events that a new slot would never deliver; "
        "if the slot was dropped, find and publish them first; "
        f"if they are not wanted, start once with {SKIP_EXISTING} "
        "(docs/howto/wal-and-slots.md#a-slot-that-is-lost)"
    )


def _one(connection: PsycopgConnection, query: str) -> Rows:
    row = connection.execute(query).fetchone()
    if row is None:
        raise DependencyDown(f"PostgreSQL gave no row for {query!r}; try again")
    return row
