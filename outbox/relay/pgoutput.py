"""The wire of PostgreSQL's pgoutput plugin, protocol 1: bytes to messages. Pure.

Source: PostgreSQL documentation, "Logical Replication Message Formats". Messages of later protocols (in-progress
streaming, two-phase) are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from outbox.errors import Undecodable
from outbox.relay.messages import POSTGRES_EPOCH_S, UNCHANGED, Begin, Cell, Cells, Commit, Insert, Message, Relation

_BEGIN = struct.Struct(">QqI")
_COMMIT = struct.Struct(">BQQq")
_OID = struct.Struct(">I")
_COUNT = struct.Struct(">H")
_SIZE = struct.Struct(">I")
_COLUMN = struct.Struct(">Ii")
_NULL, _TOAST, _TEXT, _BINARY = b"nutb"
_NEW = ord("N")
# An origin or a type changes nothing for us, and the publication has inserts only.
_PASSED_BY = frozenset(b"OYUDTM")
_LATER_PROTOCOLS = frozenset(b"SEcAbPKrp")


def decode(data: bytes, at: int = 0) -> Message | None:
    """The message that fills `data` from `at` to its end, None for one that says nothing to a relay; `Undecodable` if
    it does not.
    """
    kind = data[at] if at < len(data) else None
    read = _READERS.get(kind) if kind is not None else None
    if read is None:
        if kind in _PASSED_BY:
            return None
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
    commit_lsn, committed_at_us, _xid = _BEGIN.unpack_from(data, at)
    return Begin(commit_lsn, POSTGRES_EPOCH_S * 1_000_000 + committed_at_us), at + _BEGIN.size


def _commit(data: bytes, at: int) -> tuple[Commit, int]:
    _flags, _commit_lsn, end_lsn, _committed_at_us = _COMMIT.unpack_from(data, at)
    return Commit(end_lsn), at + _COMMIT.size


def _relation(data: bytes, at: int) -> tuple[Relation, int]:
    (relation_id,) = _OID.unpack_from(data, at)
    schema, at = _string(data, at + _OID.size)
    name, at = _string(data, at)
    at += 1  # the replica identity
    (count,) = _COUNT.unpack_from(data, at)
    at += _COUNT.size
    columns = []
    for _ in range(count):
        column, at = _string(data, at + 1)  # behind its flags
        columns.append(column)
        _type_oid, _modifier = _COLUMN.unpack_from(data, at)
        at += _COLUMN.size
    return Relation(relation_id, schema, name, tuple(columns)), at


def _insert(data: bytes, at: int) -> tuple[Insert, int]:
    (relation_id,) = _OID.unpack_from(data, at)
    new, at = _cells(data, _past_kind(data, at + _OID.size))
    return Insert(relation_id, new), at


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def _past_kind(data: bytes, at: int) -> int:
    if data[at] != _NEW:
        raise ValueError(f"a new row expected, {data[at : at + 1]!r} found")
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
    ord("R"): _relation,
    ord("I"): _insert,
}
