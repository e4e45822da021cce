"""The wire of PostgreSQL's pgoutput plugin, protocol 1: bytes to messages. Pure.

Source: PostgreSQL documentation, "Logical Replication Message Formats". Messages of later protocols (in-progress
streaming, two-phase) are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from outbox.errors import Undecodable
from outbox.relay.messages import (
    UNCHANGED,
    Begin,
    Cell,
    Cells,
    Column,
    Commit,
    Delete,
    Insert,
    LogicalMessage,
    Message,
    Origin,
    Relation,
    Truncate,
    Type,
    Update,
)

_BEGIN = struct.Struct(">QqI")
_COMMIT = struct.Struct(">BQQq")
_LSN = struct.Struct(">Q")
_OID = struct.Struct(">I")
_COUNT = struct.Struct(">H")
_SIZE = struct.Struct(">I")
_COLUMN = struct.Struct(">Ii")
_TRUNCATE = struct.Struct(">IB")
_MESSAGE = struct.Struct(">BQ")
_NULL, _TOAST, _TEXT, _BINARY = b"nutb"
_LATER_PROTOCOLS = frozenset(b"SEcAbPKrp")


def decode(data: bytes, at: int = 0) -> Message:
    """The message that fills `data` from `at` to its end; `Undecodable` if it does not."""
    kind = data[at] if at < len(data) else None
    read = _READERS.get(kind) if kind is not None else None
    if read is None:
        later = "; it belongs to a later protocol, ask for proto_version 1" if kind in _LATER_PROTOCOLS else ""
        raise Undecodable(f"unknown pgoutput message {data[at : at + 1]!r} of {len(data) - at} bytes{later}")
    try:
        message, end = read(data, at + 1)
    except (struct.error, IndexError, ValueError) as error:
        raise Undecodable(
            f"pgoutput message {data[at : at + 1]!r} of {len(data) - at} bytes is cut: {error}"
        ) from error
    if end != len(data):
        raise Undecodable(f"pgoutput message {data[at : at + 1]!r} ends {len(data) - end} bytes before its frame")
    return message


def _begin(data: bytes, at: int) -> tuple[Begin, int]:
    return Begin(*_BEGIN.unpack_from(data, at)), at + _BEGIN.size


def _commit(data: bytes, at: int) -> tuple[Commit, int]:
    _flags, commit_lsn, end_lsn, committed_at_us = _COMMIT.unpack_from(data, at)
    return Commit(commit_lsn, end_lsn, committed_at_us), at + _COMMIT.size


def _origin(data: bytes, at: int) -> tuple[Origin, int]:
    (lsn,) = _LSN.unpack_from(data, at)
    name, at = _string(data, at + _LSN.size)
    return Origin(lsn, name), at


def _relation(data: bytes, at: int) -> tuple[Relation, int]:
    (relation_id,) = _OID.unpack_from(data, at)
    schema, at = _string(data, at + _OID.size)
    name, at = _string(data, at)
    identity = chr(data[at])
    (count,) = _COUNT.unpack_from(data, at + 1)
    at += 1 + _COUNT.size
    columns = []
    for _ in range(count):
        flags = data[at]
        column, at = _string(data, at + 1)
        type_oid, type_modifier = _COLUMN.unpack_from(data, at)
        columns.append(Column(column, type_oid, type_modifier, flags & 1 == 1))
        at += _COLUMN.size
    return Relation(relation_id, schema, name, identity, tuple(columns)), at


def _type(data: bytes, at: int) -> tuple[Type, int]:
    (oid,) = _OID.unpack_from(data, at)
    schema, at = _string(data, at + _OID.size)
    name, at = _string(data, at)
    return Type(oid, schema, name), at


def _insert(data: bytes, at: int) -> tuple[Insert, int]:
    (relation_id,) = _OID.unpack_from(data, at)
    new, at = _cells(data, _past(data, at + _OID.size, b"N"))
    return Insert(relation_id, new), at


def _update(data: bytes, at: int) -> tuple[Update, int]:
    (relation_id,) = _OID.unpack_from(data, at)
    at += _OID.size
    old_kind, old = None, None
    if data[at] in b"KO":
        old_kind = chr(data[at])
        old, at = _cells(data, at + 1)
    new, at = _cells(data, _past(data, at, b"N"))
    return Update(relation_id, old_kind, old, new), at


def _delete(data: bytes, at: int) -> tuple[Delete, int]:
    (relation_id,) = _OID.unpack_from(data, at)
    at += _OID.size
    old, end = _cells(data, _past(data, at, b"KO"))
    return Delete(relation_id, chr(data[at]), old), end


def _truncate(data: bytes, at: int) -> tuple[Truncate, int]:
    count, options = _TRUNCATE.unpack_from(data, at)
    at += _TRUNCATE.size
    ids = struct.unpack_from(f">{count}I", data, at)
    return Truncate(options & 1 == 1, options & 2 == 2, ids), at + 4 * count


def _logical_message(data: bytes, at: int) -> tuple[LogicalMessage, int]:
    flags, lsn = _MESSAGE.unpack_from(data, at)
    prefix, at = _string(data, at + _MESSAGE.size)
    content, at = _sized(data, at)
    return LogicalMessage(flags & 1 == 1, lsn, prefix, content), at


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = _SIZE.unpack_from(data, at)
    at += _SIZE.size
    if at + size > len(data):
        raise ValueError(f"{size} bytes announced, {len(data) - at} there")
    return data[at : at + size], at + size


def _past(data: bytes, at: int, kinds: bytes) -> int:
    if data[at] not in kinds:
        raise ValueError(f"a row of kind {kinds!r} expected, {data[at : at + 1]!r} found")
    return at + 1


def _cells(data: bytes, at: int) -> tuple[Cells, int]:
    (count,) = _COUNT.unpack_from(data, at)
    at += _COUNT.size
    cells: list[Cell] = []
    unpack_size = _SIZE.unpack_from
    for _ in range(count):
        kind = data[at]
        at += 1
        if kind in (_TEXT, _BINARY):
            (size,) = unpack_size(data, at)
            at += 4 + size
            cells.append(data[at - size : at])
        elif kind == _NULL:
            cells.append(None)
        elif kind == _TOAST:
            cells.append(UNCHANGED)
        else:
            raise ValueError(f"unknown cell kind {bytes([kind])!r}")
    if at > len(data):
        raise ValueError(f"its cells end {at - len(data)} bytes behind it")
    return tuple(cells), at


_READERS: Final[Mapping[int, Callable[[bytes, int], tuple[Message, int]]]] = {
    ord("B"): _begin,
    ord("C"): _commit,
    ord("O"): _origin,
    ord("R"): _relation,
    ord("Y"): _type,
    ord("I"): _insert,
    ord("U"): _update,
    ord("D"): _delete,
    ord("T"): _truncate,
    ord("M"): _logical_message,
}
