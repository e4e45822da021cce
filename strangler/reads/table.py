"""Stages of reads, and what has been counted of them, in PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from outbox.connection import PsycopgConnection
from strangler.reads.account import Counted, ReadAccount, account_of
from strangler.reads.declared import ReadRoute
from strangler.reads.read_evidence import ReadEvidence
from strangler.stages import Stage, StageRow, stage_of

KIND = "read"

# The epoch that each one's last move began, so that a count says by itself to which stage it belongs.
STAGES_OF_READS: LiteralString = """
SELECT stage.step, stage.stage, stage.ramp_bp, stage.salt, coalesce(max(stage_move.epoch), 0)
FROM strangler.stage LEFT JOIN strangler.stage_move USING (step)
WHERE stage.kind = 'read' GROUP BY stage.step ORDER BY stage.step"""

# Several facades add to the same rows: all of them in the same order, so none waits for another in a circle.
ADD_COUNTS: LiteralString = """
INSERT INTO strangler.read_count AS known (read, epoch, outcome, detail, reads)
SELECT * FROM unnest(%(read)s::text[], %(epoch)s::bigint[], %(outcome)s::text[], %(detail)s::text[],
                     %(reads)s::bigint[]) AS told (read, epoch, outcome, detail, reads)
ORDER BY read, epoch, outcome, detail
ON CONFLICT (read, epoch, outcome, detail) DO UPDATE SET reads = known.reads + EXCLUDED.reads"""

COUNTS: LiteralString = """
SELECT read, epoch, outcome, detail, reads FROM strangler.read_count WHERE read = %(read)s AND epoch = %(epoch)s"""

ADD_READ: LiteralString = """
INSERT INTO strangler.stage (step, kind, stage, ramp_bp, salt) VALUES (%(read)s, 'read', 'legacy', 0, %(salt)s)
ON CONFLICT (step) DO NOTHING RETURNING step"""


@dataclass(frozen=True, slots=True)
class ReadStage:
    """A read's stage. `epoch`: the one that its last move began, 0 where it has never moved."""

    row: StageRow
    epoch: int


def read_stages_of_reads(connection: PsycopgConnection) -> Mapping[str, ReadStage]:
    """By name; a read that the database does not know yet is missing."""
    return stages_in(connection.execute(STAGES_OF_READS).fetchall())


def stages_in(rows: Iterable[tuple[Any, ...]]) -> Mapping[str, ReadStage]:
    """Of what `STAGES_OF_READS` found."""
    return {read: ReadStage(StageRow(read, stage_of(stage), bp, salt), epoch) for read, stage, bp, salt, epoch in rows}


def stage_of_read(stages: Mapping[str, ReadStage], read: str) -> ReadStage:
    """Legacy, where nothing is known of it."""
    return stages.get(read) or ReadStage(StageRow(read, Stage.LEGACY, 0, ""), 0)


def columns_of(counted: Sequence[Counted]) -> Mapping[str, Sequence[object]]:
    """What `ADD_COUNTS` is given."""
    return {
        "read": [one.read for one in counted],
        "epoch": [one.epoch for one in counted],
        "outcome": [one.outcome for one in counted],
        "detail": [one.detail for one in counted],
        "reads": [one.reads for one in counted],
    }


def read_account(connection: PsycopgConnection, read: str, epoch: int) -> ReadAccount:
    """What was counted of a read since the move that began `epoch`."""
    rows = connection.execute(COUNTS, {"read": read, "epoch": epoch}).fetchall()
    return account_of(read, epoch, [Counted(*row) for row in rows])


def evidence_of(connection: PsycopgConnection, declared: ReadRoute) -> ReadEvidence:
    """What has been counted since its last move."""
    epoch = stage_of_read(read_stages_of_reads(connection), declared.name).epoch
    return ReadEvidence(declared, read_account(connection, declared.name, epoch))


def ensure_reads(connection: PsycopgConnection, reads: Sequence[ReadRoute]) -> Sequence[str]:
    """One row, at legacy, for each; the names that were added. Rows that exist stay."""
    made = [(one.name, {"read": one.name, "salt": secrets.token_hex(8)}) for one in reads]
    return [name for name, values in made if connection.execute(ADD_READ, values).fetchone() is not None]
