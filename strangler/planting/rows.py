"""Faults in the rows that a service keeps by `Rows`."""

from __future__ import annotations

import json
from typing import LiteralString

from psycopg import sql

from strangler.errors import RefusedError
from strangler.planting.world import Planted, World, altered
from strangler.service.rows import Rows
from strangler.step.intents import Json

# Of the newest claim, so that the claim and a witness speak of it.
KEPT = """
SELECT kept.{key}, (kept.version * 100)::integer, to_jsonb(kept) FROM {table} AS kept
JOIN claim ON claim.subject_ref = kept.{key} AND claim.step = {step} AND claim.kind = 'applied'
          AND claim.number = kept.version * 100
{alone}
ORDER BY 1"""
# No other claim of that version or a later one covers the row.
ALONE = """
WHERE NOT EXISTS (SELECT FROM claim AS other
                  WHERE (other.subject_ref, other.step) = (claim.subject_ref, claim.step)
                    AND other.number <> claim.number AND other.number >= claim.number)"""


def drop_row(world: World) -> Planted:
    """A row is gone."""
    rows, ref, number, _ = _chosen(world)
    _spoil(world, sql.SQL("DELETE FROM {table} WHERE {key} = %(ref)s"), rows, ref=ref)
    return Planted("dropped_row", world.step, ref, number, "missing")


def alter_row(world: World) -> Planted:
    """A row says something else than was written."""
    rows, ref, number, row = _chosen(world)
    column, value = _other(rows, row, ref)
    change = sql.SQL("UPDATE {table} SET {column} = %(value)s WHERE {key} = %(ref)s")
    _spoil(world, change, rows, column, ref=ref, value=value)
    return Planted("altered_row", world.step, ref, number, "mismatch")


def kept_alone(world: World) -> tuple[str, int]:
    """A claim that alone stands for a row: subject and number."""
    _, ref, number, _ = _chosen(world, ALONE)
    return ref, number


def _chosen(world: World, alone: LiteralString = "") -> tuple[Rows, str, int, dict[str, Json]]:
    rows = world.service.writes
    if not isinstance(rows, Rows):
        raise RefusedError(f"{world.step} keeps no Rows; what its own code writes only its team can spoil")
    query = sql.SQL(KEPT).format(
        table=sql.Identifier(rows.table),
        key=sql.Identifier(rows.key),
        step=sql.Placeholder("step"),
        alone=sql.SQL(alone),
    )
    ref, number, row = world.choose(world.context, query)
    return rows, ref, number, row


def _other(rows: Rows, row: dict[str, Json], ref: str) -> tuple[str, Json]:
    """A column that the judge reads, and another value of its type. Beside a body that is kept whole it reads none."""
    seen = {"body": "jsonb"} if rows.columns.get("body") == "jsonb" else rows.columns
    for column, kind in seen.items():
        if kind == "jsonb" and isinstance(row[column], dict):
            return column, json.dumps(altered(row[column], ref))
        if column != "version" and kind in ("integer", "bigint") and row[column] is not None:
            return column, row[column] + 101
    for column, kind in seen.items():
        if kind == "text" and row[column] is not None:
            return column, row[column] + "?"
    raise RefusedError(f"{rows.table} has no column that could be altered; drop its row instead")


def _spoil(world: World, statement: sql.SQL, rows: Rows, column: str = "", **values: Json) -> None:
    names = {"table": rows.table, "key": rows.key, "column": column or rows.key}
    world.spoil(world.context, statement.format(**{name: sql.Identifier(one) for name, one in names.items()}), **values)
