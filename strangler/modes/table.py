"""The table of modes: who declared which, why, until when. One holds at a time; a row is never taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import psycopg

from outbox.connection import PsycopgConnection
from outbox.told import Told
from strangler.errors import Refused
from strangler.modes.declared import Mode

# By the database's clock, so that all processes end it together. Not now(): a transaction may have begun before.
MODE_HELD: LiteralString = """
SELECT mode, extract(epoch FROM until - clock_timestamp())::float8 FROM strangler.mode
WHERE ended_at IS NULL AND until > clock_timestamp() ORDER BY id DESC LIMIT 1"""
# Who declares and who ends wait for each other. Readers do not. Of all that waits this takes no snapshot before it: a
# SELECT would see what was before, under REPEATABLE READ.
LOCK: LiteralString = "LOCK TABLE strangler.mode IN SHARE ROW EXCLUSIVE MODE"
DECLARE: LiteralString = """
INSERT INTO strangler.mode (mode, actor, reason, declared_at, until)
VALUES (%(mode)s, %(actor)s, %(reason)s, clock_timestamp(), clock_timestamp() + make_interval(secs => %(for_s)s))
RETURNING until"""
END: LiteralString = """
UPDATE strangler.mode SET ended_at = clock_timestamp(), ended_by = %(actor)s, ended_for = %(reason)s
WHERE ended_at IS NULL AND until > clock_timestamp() RETURNING mode"""
HISTORY: LiteralString = """
SELECT mode, actor, reason, declared_at, least(until, ended_at), until > clock_timestamp() AND ended_at IS NULL,
       coalesce(ended_by, ''), coalesce(ended_for, '')
FROM strangler.mode ORDER BY id DESC LIMIT %(limit)s"""


@dataclass(frozen=True, slots=True)
class HeldMode:
    """The mode that holds, for so many seconds more."""

    mode: str
    for_s: float


@dataclass(frozen=True, slots=True)
class AuditedMode:
    """`until`: when it ends, or has ended. `ended_by` and `ended_for` are "" where it ends by itself."""

    mode: str
    actor: str
    reason: str
    declared_at: datetime
    until: datetime
    holds: bool
    ended_by: str
    ended_for: str


def read_held(connection: PsycopgConnection) -> HeldMode | None:
    """None where none holds."""
    row = connection.execute(MODE_HELD).fetchone()
    return None if row is None else HeldMode(row[0], row[1])


class HeldReader:
    """The same over a connection of its own, which is kept while it serves. Of one thread at a time; close it."""

    def __init__(self, connect: Callable[[], PsycopgConnection]) -> None:
        self._connect = connect
        self._connection: PsycopgConnection | None = None

    def __call__(self) -> HeldMode | None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            return read_held(self._connection)
        except psycopg.Error:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None


def declare(connection: PsycopgConnection, mode: Mode, for_s: float, told: Told) -> datetime | Refused:
    """Until when it holds. Declared again while it does, it ends anew. In the caller's transaction."""
    if for_s > mode.longest_s:
        return Refused(f"{mode.name} holds for {mode.longest_s:g} s at most", "declare it for less, and again then")
    if mode.declared_by and told.actor not in mode.declared_by:
        names = ", ".join(mode.declared_by)
        return Refused(f"{told.actor} may not declare {mode.name}", f"ask one who may: {names}; or say who, by --actor")
    with _locked(connection):
        held = read_held(connection)
        if held is not None and held.mode != mode.name:
            return Refused(
                f"{held.mode} holds, and one mode does at a time", "`strangler mode end --reason ...` ends it"
            )
        connection.execute(END, {"actor": told.actor, "reason": f"declared again: {told.reason}"})
        values = {"mode": mode.name, "actor": told.actor, "reason": told.reason, "for_s": for_s}
        until: datetime
        [(until,)] = connection.execute(DECLARE, values).fetchall()
        return until


def end(connection: PsycopgConnection, told: Told) -> str | None:
    """The mode that held, and does no longer; None where none did. In the caller's transaction. Anybody may who can."""
    with _locked(connection):
        row = connection.execute(END, {"actor": told.actor, "reason": told.reason}).fetchone()
    return None if row is None else str(row[0])


@contextmanager
def _locked(connection: PsycopgConnection) -> Iterator[None]:
    """Until the transaction ends: the caller's, or one of its own in autocommit."""
    with connection.transaction() if connection.autocommit else nullcontext():
        connection.execute(LOCK)
        yield


def history(connection: PsycopgConnection, limit: int) -> Sequence[AuditedMode]:
    """The audit, newest first."""
    return [AuditedMode(*row) for row in connection.execute(HISTORY, {"limit": limit})]
