"""PostgreSQL's replication stream over psycopg's `pgconn`: frames in, confirmed positions out.

psycopg has no replication API; COPY BOTH is driven through libpq by hand. One thread uses a stream.
"""

from __future__ import annotations

import selectors
import struct
import time
from typing import NamedTuple, Self

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from outbox.connection import CONNECT_TIMEOUT_S, PsycopgConnection, first_line, unanswered, with_options
from outbox.errors import DependencyDown
from outbox.relay.messages import POSTGRES_EPOCH_S

COMMAND_TIMEOUT_S = 30.0
SEND_TIMEOUT_S = 10.0
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_DATA, _KEEPALIVE = b"wk"
_OBJECT_IN_USE = b"55006"
_KEEPALIVE_BODY = struct.Struct(">QqB")
_STATUS = struct.Struct(">cQQQqB")


class Data(NamedTuple):
    """`message` begins at `at`: the frame's head is not cut off, to save a copy."""

    frame: bytes
    at: int


class Keepalive(NamedTuple):
    """All that was committed before `end_lsn` has been sent to us."""

    end_lsn: int
    reply_wanted: bool


Frame = Data | Keepalive


class SlotInUse(DependencyDown):
    """Another reader has the slot: wait for its end."""


def connect_replication(dsn: str) -> PsycopgConnection:
    """A walsender session. Text forms are pinned: the database's own settings must not change the wire."""
    given = conninfo_to_dict(dsn)
    conninfo = make_conninfo(
        dsn,
        replication="database",
        client_encoding="UTF8",
        options=with_options(dsn, "-c bytea_output=hex"),
        connect_timeout=given.get("connect_timeout") or CONNECT_TIMEOUT_S,
        application_name=given.get("application_name") or "outbox relay",
    )
    try:
        return psycopg.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise DependencyDown(unanswered(error)) from error


class WalStream:
    """A running replication stream. `receive` never blocks longer than asked; a lost server is `DependencyDown`."""

    def __init__(self, connection: PsycopgConnection) -> None:
        self._connection, self._pgconn = connection, connection.pgconn
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pgconn.socket, _READ)

    @classmethod
    def start(cls, dsn: str, *, slot: str, publication: str) -> Self:
        """Stream from the slot's confirmed position on. `SlotInUse` while another reader has the slot."""
        stream = cls(connect_replication(dsn))
        try:
            stream._start(slot, publication)
        except BaseException:
            stream.close()
            raise
        return stream

    def receive(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came in time."""
        size, view = self._copy_data()
        if size == 0 and self._wait(_READ, timeout_s):
            self._consume()
            size, view = self._copy_data()
        if size == 0:
            return None
        frame = bytes(view)
        if frame[0] == _DATA:
            return Data(frame, 25)
        if frame[0] == _KEEPALIVE:
            end_lsn, _sent_at, reply = _KEEPALIVE_BODY.unpack_from(frame, 1)
            return Keepalive(end_lsn, reply == 1)
        raise DependencyDown(f"PostgreSQL sent an unknown replication frame {frame[:1]!r}; reconnect")

    def confirm(self, lsn: int) -> None:
        """Tell the server that everything before `lsn` is done with; it may recycle that WAL."""
        now_us = int((time.time() - POSTGRES_EPOCH_S) * 1_000_000)
        status = _STATUS.pack(b"r", lsn, lsn, lsn, now_us, 0)
        deadline = time.monotonic() + SEND_TIMEOUT_S
        try:
            while self._pgconn.put_copy_data(status) == 0:
                self._drain(deadline)
            while self._pgconn.flush() == 1:
                self._drain(deadline)
        except psycopg.OperationalError as error:
            raise DependencyDown(f"PostgreSQL went away: {first_line(error)}") from error

    def close(self) -> None:
        """What was confirmed before is read by the server before it notices the end."""
        self._selector.close()
        self._connection.close()

    def _start(self, slot: str, publication: str) -> None:
        # The extended protocol is refused on a walsender: quote by hand, send as a simple query.
        name, published = _identifier(slot), _literal(_identifier(publication))
        command = f"START_REPLICATION SLOT {name} LOGICAL 0/0 (proto_version '1', publication_names {published})"
        self._pgconn.send_query(command.encode())
        self._pgconn.nonblocking = 1
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        try:
            while self._pgconn.flush() == 1:
                self._drain(deadline)
            while self._pgconn.is_busy():
                self._drain(deadline, _READ)
            result = self._pgconn.get_result()
        except psycopg.OperationalError as error:
            raise DependencyDown(f"PostgreSQL went away: {first_line(error)}") from error
        # Nothing may be asked once the status is COPY_BOTH: libpq invents results without end.
        if result is not None and result.error_field(pq.DiagnosticField.SQLSTATE) == _OBJECT_IN_USE:
            raise SlotInUse(f"slot {slot!r} has a reader already; waiting for its end")
        if result is None or result.status != pq.ExecStatus.COPY_BOTH:
            said = result.get_error_message() if result is not None else "nothing"
            raise DependencyDown(f"PostgreSQL does not start to stream slot {slot!r}: {said.strip()}")

    def _copy_data(self) -> tuple[int, memoryview]:
        try:
            size, view = self._pgconn.get_copy_data(1)
            if size >= 0:
                return size, view
            result = self._pgconn.get_result()
        except psycopg.OperationalError as error:
            raise DependencyDown(f"PostgreSQL went away: {first_line(error)}") from error
        said = result.get_error_message().strip() if result is not None else ""
        raise DependencyDown(f"PostgreSQL ended the stream: {said or 'it is shutting down'}")

    def _consume(self) -> None:
        try:
            self._pgconn.consume_input()
        except psycopg.OperationalError as error:
            raise DependencyDown(f"PostgreSQL went away: {first_line(error)}") from error

    def _drain(self, deadline: float, events: int = _READ | _WRITE) -> None:
        """While we cannot write, read: else both ends could wait for each other for ever."""
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not self._wait(events, left_s):
            raise DependencyDown(f"PostgreSQL took nothing within {SEND_TIMEOUT_S:g} s; reconnect")
        self._consume()

    def _wait(self, events: int, timeout_s: float) -> bool:
        self._selector.modify(self._pgconn.socket, events)
        return bool(self._selector.select(timeout_s))


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
