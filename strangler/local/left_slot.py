"""The replication slot that stays on a given PostgreSQL when its processes are stopped, in words."""

from __future__ import annotations

import psycopg

from outbox.connection import connect, first_line
from outbox.relay import slot


def slot_left(dsn: str, name: str) -> str | None:
    """What to say of it; None where there is none. A restart goes on from it, so nothing drops it but its owner."""
    try:
        with connect(dsn, autocommit=True) as connection:
            found = slot.inspect(connection, name)
    except psycopg.Error as error:
        return f"could not look whether the replication slot {name!r} is left ({first_line(error)}); it keeps WAL"
    if found is None:
        return None
    now = "" if found.kept_bytes is None else f" ({found.kept_bytes >> 20} MiB now)"
    return (
        f"LEFT on the given PostgreSQL: replication slot {name!r}, from which the next start goes on. Until then the "
        f"server keeps all its WAL{now}, whatever the disk. If there is no next "
        f"start, drop it: SELECT pg_drop_replication_slot('{name}')"
    )
