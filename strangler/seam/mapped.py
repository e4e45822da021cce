"""The application's own row of a subject: where reference, version and owners stand, and how the version is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from sqlalchemy import BigInteger, Column, Table, Text, func, inspect, update
from sqlalchemy.orm import Mapper, Session, object_session
from sqlalchemy.orm.attributes import instance_state

from strangler.errors import BadInput

Model: TypeAlias = Any  # of the application
Identity: TypeAlias = tuple[Any, ...]


class Mixin:
    """The three columns, for a declarative model. An existing row has version 0, no reference and no owners."""

    subject_ref = Column(Text, unique=True)
    version = Column(BigInteger, nullable=False, default=0, server_default="0")
    ownership = Column(Text, nullable=False, default="", server_default="")


@dataclass(frozen=True, slots=True)
class Columns:
    """The attributes of a model that hold them. `id`: what the routes call `{id}`, its primary key by default."""

    ref: str = "subject_ref"
    version: str = "version"
    ownership: str = "ownership"
    id: str | None = None

    def check(self, model: type[Model]) -> None:
        """`BadInput` names what the model lacks."""
        for name in filter(None, (self.ref, self.version, self.ownership, self.id)):
            if not hasattr(model, name):
                raise BadInput(
                    f"{model.__name__} has no attribute {name!r}; let it inherit from Strangled.Mixin, or name its "
                    f"own: strangled.map({model.__name__}, ref=..., version=..., ownership=...)"
                )

    def native_id(self, subject: Model) -> str:
        """As it stands in a path; the subject has been flushed."""
        if self.id is not None:
            return str(getattr(subject, self.id))
        return ",".join(map(str, inspect(subject).identity))

    def unique_names(self, model: type[Model]) -> set[str]:
        """What the constraint may be called that keeps a reference from being used twice."""
        column = inspect(model).get_property(self.ref).columns[0]
        table: Table = column.table
        rules: list[Any] = [*table.constraints, *table.indexes]
        named = {str(rule.name) for rule in rules if rule.name and list(rule.columns) == [column]}
        default = f"{table.name}_pkey" if column.primary_key else f"{table.name}_{column.name}_key"
        return {*named, default}

    def take_version(self, session: Session, subject: Model, values: Mapping[str, str], owners: str) -> tuple[int, str]:
        """The next version, under the row's lock, and its owners: those that stand there, or else the given ones.

        `values` are set by attribute. What the subject has loaded before is stale: it is read anew.
        """
        mapper: Mapper[Any] = inspect(type(subject))
        version, ownership = (mapper.get_property(name).columns[0] for name in (self.version, self.ownership))
        table: Table = version.table
        named = {mapper.get_property(name).columns[0].name: value for name, value in values.items()}
        stored = func.coalesce(func.nullif(ownership, ""), owners)
        changes = {**named, version.name: version + 1, ownership.name: stored}
        statement = update(table).values(changes).returning(version, ownership)
        for column, value in zip(table.primary_key.columns, identity(subject)[1], strict=True):
            statement = statement.where(column == value)
        row = session.execute(statement).one_or_none()
        if row is None:
            raise BadInput(f"{identity(subject)[0].__name__} {identity(subject)[1]} is gone; it was deleted meanwhile")
        session.refresh(subject)
        return int(row[0]), str(row[1])


def session_of(subject: Model) -> Session:
    """The session that the subject is in; `BadInput` where it is in none."""
    session = object_session(subject)
    if session is None:
        raise BadInput(f"this {type(subject).__name__} is in no session; add it, or load it by one, before its change")
    return session


def identity(subject: Model) -> Identity:
    """The same for every object of one row: class, primary key, and nothing is loaded for it."""
    return cast("Identity", instance_state(subject).identity_key)
