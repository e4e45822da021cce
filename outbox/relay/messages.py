"""What pgoutput says, as data. Cells stay bytes: text or binary form is whatever the stream was asked for."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, NamedTuple, TypeAlias


class Absent(Enum):
    """A large value that an update did not touch; the server does not send it again."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Absent.UNCHANGED
Cell: TypeAlias = "bytes | Literal[Absent.UNCHANGED] | None"
Cells: TypeAlias = "tuple[Cell, ...]"


class Begin(NamedTuple):
    """`commit_lsn` is the LSN of the transaction's commit record: known before its first row."""

    commit_lsn: int
    committed_at_us: int
    xid: int


class Commit(NamedTuple):
    """`end_lsn` is what a reader confirms once it is done with the transaction."""

    commit_lsn: int
    end_lsn: int
    committed_at_us: int


class Origin(NamedTuple):
    lsn: int
    name: str


class Column(NamedTuple):
    name: str
    type_oid: int
    type_modifier: int
    is_key: bool


class Relation(NamedTuple):
    """Sent before the first row of a table, and again after it was altered."""

    id: int
    schema: str
    name: str
    replica_identity: str
    columns: tuple[Column, ...]


class Type(NamedTuple):
    oid: int
    schema: str
    name: str


class Insert(NamedTuple):
    relation_id: int
    new: Cells


class Update(NamedTuple):
    """`old` is the key or the full row (`old_kind` K or O), if the table's replica identity made it be sent."""

    relation_id: int
    old_kind: str | None
    old: Cells | None
    new: Cells


class Delete(NamedTuple):
    relation_id: int
    old_kind: str
    old: Cells


class Truncate(NamedTuple):
    cascade: bool
    restart_identity: bool
    relation_ids: tuple[int, ...]


class LogicalMessage(NamedTuple):
    transactional: bool
    lsn: int
    prefix: str
    content: bytes


Message: TypeAlias = "Begin | Commit | Origin | Relation | Type | Insert | Update | Delete | Truncate | LogicalMessage"
