"""What subjects share, as the plan declares it: its name, how it is copied and counted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString


class Holder(StrEnum):
    """Who keeps the record: the table of that side is the truth, the other's is a copy or nothing."""

    LEGACY = "legacy"
    NEW = "new"


def other(holder: Holder) -> Holder:
    return Holder.NEW if holder is Holder.LEGACY else Holder.LEGACY


@dataclass(frozen=True, slots=True)
class Shared:
    """State that belongs to no single subject, such as stock. Both owners of a subject write it by one statement.

    That statement takes `pg_advisory_xact_lock_shared(hashtextextended('strangler.authority.<resource>', 0))` and
    then reads the holder from `strangler.authority` (no row: legacy), in READ COMMITTED; so a move can fence it.

    `copy_to[side]` is one statement that makes the rows of that side what the other side has. It touches only rows
    that differ, so its row count is what was behind; run twice it must count 0, or the two sides are not the same.
    `tally[side]` is one statement that answers one row of whole numbers, with the same names on both sides.
    """

    what: str
    copy_to: Mapping[Holder, LiteralString]
    tally: Mapping[Holder, LiteralString]
