"""Rows of a projection: one per subject, never back to an older version. The statement follows from the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from outbox.connection import PsycopgConnection
from outbox.terms import check_terms
from strangler.errors import BadInput
from strangler.facts import KIND, TARGET, Fact
from strangler.step.apply import NumberedWrite
from strangler.step.intents import Json, Write, first_number
from strangler.step.pg_json import encode

# Types whose values come back as JSON has them.
_FAITHFUL = frozenset({"text", "smallint", "integer", "int", "bigint", "boolean", "jsonb"})
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Rows:
    """`writes` of a projection: what `decide` writes to `table` is kept, one row for each `key`, the newest version.

    `columns` maps a column to its PostgreSQL type; a column named `version` gets the event's version, `body` gets the
    whole of what is written where it is of type jsonb and no field has that name, any other the field of its name.
    The table has the key as its primary key, and a column `version`. `touched`: a column that is set to the time of
    the write. Rows are taken in key order, so that writers side by side do not deadlock.

        Service(..., writes=Rows("document", "subject_ref", {"version": "bigint", "body": "jsonb"}))
    """

    table: str
    key: str
    columns: Mapping[str, str]
    touched: str | None = None
    _statement: str = field(init=False, repr=False, compare=False, default="")
    _mending: str = field(init=False, repr=False, compare=False, default="")

    def __post_init__(self) -> None:
        check_terms(self, error=BadInput)
        for name in (self.table, self.key, *self.columns, *([self.touched] if self.touched else ())):
            if _NAME.fullmatch(name) is None:
                raise BadInput(f"Rows has the name {name!r}; use lower case letters, digits and _")
        if "version" not in self.columns:
            raise BadInput(f"Rows of {self.table!r} has no column 'version'; without it an old event could win")
        object.__setattr__(self, "_statement", _upsert(self))
        object.__setattr__(self, "_mending", _mending(self))

    def __call__(self, connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
        """An `ApplyWrites`: the newest row of each key of the batch."""
        connection.execute(self._statement.encode(), self._newest(writes))

    def mend(self, connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> set[tuple[str, int]]:
        """The same, and a row of that very version is written again where it is another. Subject and version of the
        writes that changed something; a newer row stays.
        """
        changed = connection.execute(self._mending.encode(), self._newest(writes)).fetchall()
        versions = {(str(key), version) for key, version in changed}
        return {
            (each.subject_ref, each.version)
            for each in writes
            if (str(each.write.values.get(self.key, each.subject_ref)), each.version) in versions
        }

    def _newest(self, writes: Sequence[NumberedWrite]) -> dict[str, list[Json]]:
        wrong = sorted({each.write.table for each in writes} - {self.table})
        if wrong:
            raise ValueError(f"this service writes {self.table!r}, not {wrong[0]!r}")
        newest = {
            each.write.values.get(self.key, each.subject_ref): each
            for each in sorted(writes, key=lambda each: each.version)
        }
        values = {name: [self._value(name, each) for each in newest.values()] for name in self.columns}
        return {"_keys": list(newest), **values}

    def kept(self, subject_ref: str, write: Write) -> Write | None:
        """What the table says again of a subject's write: all of it where the body is kept, else the columns of types
        that come back as they were given. None for a row under another key: the table does not tell whose it is.
        """
        if write.values.get(self.key, subject_ref) != subject_ref:
            return None
        if self.columns.get("body") == "jsonb":
            body = write.values.get("body")
            return replace(write, values=body) if isinstance(body, Mapping) else write
        names = [name for name, kind in self.columns.items() if kind.lower() in _FAITHFUL and name != "version"]
        return replace(write, values={name: write.values[name] for name in names if name in write.values})

    def facts(self, connection: PsycopgConnection) -> Iterator[Fact]:
        """What the table has, for the judge: whole bodies where they are kept, else the columns. Looks into the
        schema of the connection.
        """
        columns = list(self.columns)
        query = f"SELECT {', '.join((self.key, *columns))} FROM {self.table} ORDER BY {self.key}"  # noqa: S608 - checked
        rows: Iterable[Sequence[Json]] = connection.execute(query.encode())
        for ref, *values in rows:
            fields = dict(zip(columns, values, strict=True))
            version = fields["version"]
            body = fields.get("body", {self.key: ref, **fields})
            yield Fact(ref, first_number(version), version, {**body, KIND: "write", TARGET: self.table})

    def _value(self, column: str, each: NumberedWrite) -> Json:
        if column == "version":
            return each.version
        values = each.write.values
        if self.columns[column] != "jsonb":
            return values[column]
        return encode(values if column == "body" and column not in values else values[column])


def _upsert(rows: Rows) -> str:
    columns = ", ".join(rows.columns)
    taken = ", ".join(
        f"given.{name}::jsonb" if kind == "jsonb" else f"given.{name}" for name, kind in rows.columns.items()
    )
    arrays = ", ".join(f"%({name})s::{'text' if kind == 'jsonb' else kind}[]" for name, kind in rows.columns.items())
    changes = ", ".join(f"{name} = excluded.{name}" for name in rows.columns)
    touched = f", {rows.touched} = now()" if rows.touched else ""
    return f"""
INSERT INTO {rows.table} ({rows.key}, {columns})
SELECT given.{rows.key}, {taken}
FROM unnest(%(_keys)s::text[], {arrays}) AS given ({rows.key}, {columns})
ORDER BY given.{rows.key}
ON CONFLICT ({rows.key}) DO UPDATE SET {changes}{touched}
WHERE {rows.table}.version < excluded.version"""  # noqa: S608 - names that were checked


def _mending(rows: Rows) -> str:
    """As text: not every type of PostgreSQL has an equality."""
    there, given = (
        f"ROW({', '.join(f'{table}.{name}' for name in rows.columns)})" for table in (rows.table, "excluded")
    )
    same = f"{rows.table}.version = excluded.version AND {there}::text IS DISTINCT FROM {given}::text"
    return f"{_upsert(rows)} OR ({same}) RETURNING {rows.key}, {rows.table}.version"
