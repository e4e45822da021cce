"""What pgoutput says to a relay, as data. Cells stay bytes: text or binary form, as the stream was asked for."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, NamedTuple, TypeAlias

POSTGRES_EPOCH_S = 946_684_800  # 2000-01-01


class Absent(Enum):
    """A large value that the server did not send again."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Absent.UNCHANGED
Cell: TypeAlias = "bytes | Literal[Absent.UNCHANGED] | None"
Cells: TypeAlias = "tuple[Cell, ...]"


class Begin(NamedTuple):
    """`commit_lsn` is the LSN of the transaction's commit record: known before its first row.

    `committed_at_us`: when it was committed, microseconds since 1970 by the server's clock.
    """

    commit_lsn: int
    committed_at_us: int


class Commit(NamedTuple):
    """`end_lsn` is what a reader confirms once it is done with the transaction."""

    end_lsn: int


class Relation(NamedTuple):
    """Sent before the first row of a table, and again after it was altered. `columns` are names."""

    id: int
    schema: str
    name: str
    columns: tuple[str, ...]


class Insert(NamedTuple):
    relation_id: int
    new: Cells


Message: TypeAlias = "Begin | Commit | Relation | Insert"
