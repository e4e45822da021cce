"""Tell of a change of a subject: its version, its event, who may still act on it; in the subject's own transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

from outbox.appending import append
from outbox.event import Event
from outbox.speaking import constraint, execute, sqlstate
from outbox.structured import Item
from strangler.errors import BadInput, StranglerError
from strangler.ownership import ALL_LEGACY
from strangler.seam.changes import SubjectChange
from strangler.seam.mapped import Columns, Model, identity, session_of
from strangler.seam.pinned import Pinned, read_owners
from strangler.seam.process import SeamProcess

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.orm import Session

Payload: TypeAlias = bytes | Mapping[str, Any] | Callable[[], bytes | Mapping[str, Any]]
Context: TypeAlias = Callable[[Any], Mapping[str, Item]]
"""`f(subject)`: what its events say in their context, beside owners and epoch."""
UNIQUE_VIOLATION = "23505"
PIN_PART = "SELECT strangler.pin_part(%s, %s)"
PIN_ALIAS = "SELECT strangler.pin_alias(%s, %s)"
# With the alias: later requests name the subject by the application's own id.
CREATED = """
WITH change AS (INSERT INTO strangler.subject_change (subject_ref, version, type, process, event, epoch)
                VALUES (%s, %s, %s, %s, %s::uuid, %s))
SELECT strangler.pin_alias(%s, %s, %s)"""
TOLD = "SELECT type, epoch FROM strangler.subject_change WHERE subject_ref = %s AND version = %s"
CHANGED = """
INSERT INTO strangler.subject_change (subject_ref, version, type, process, event, epoch)
VALUES (%s, %s, %s, %s, %s::uuid, %s)"""


class RepeatedReference(StranglerError):
    """There is a subject of that reference: the request was made before. `ref` names it."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"there is a subject {ref} already; look it up instead of making it again")
        self.ref = ref


@dataclass(frozen=True, slots=True)
class News:
    """What is told of a subject. `part`: which of several that one request makes, from 1."""

    type: str
    payload: Payload
    part: int | None = None


def no_context(_subject: Any) -> Mapping[str, Item]:
    """Nothing beside."""
    return {}


@dataclass(frozen=True, slots=True)
class Telling:
    """`subject`: its name in the plan, and the topic of its events."""

    subject: str
    process: Callable[[Engine], SeamProcess]
    context: Context = no_context

    def created(self, subject: Model, columns: Columns, pinned: Pinned, news: News) -> SubjectChange:
        """Version 1. The subject is flushed: one that is there already is the database's error, as ever."""
        session = session_of(subject)
        version = getattr(subject, columns.version)
        if inspect(subject).persistent and version:
            raise BadInput(f"this {self.subject} has version {version}, it was created before; tell of it by `changed`")
        ref, owners = pinned.ref, pinned.owners
        if ref is not None and news.part is not None:
            ref, base = f"{ref}.{news.part}", ref
            owners = execute(session, PIN_PART, (base, ref))[0][0] or ""
        if ref is None:  # not through the facade: the application's own name for it, and there must be one
            session.flush()
            ref = getattr(subject, columns.ref) or f"{self.subject}:{columns.native_id(subject)}"
        for name, value in ((columns.ref, ref), (columns.version, 1), (columns.ownership, owners)):
            setattr(subject, name, value)
        try:
            session.flush()
        except IntegrityError as error:
            if sqlstate(error) == UNIQUE_VIOLATION and constraint(error) in columns.unique_names(type(subject)):
                raise RepeatedReference(ref) from error
            raise
        change, event = self._told(session, subject, _Numbered(ref, 1, owners), news, pinned.traceparent)
        alias = (self.subject, columns.native_id(subject), ref)
        told = (ref, 1, news.type, self._number(change), str(event.id), change.ownership.epoch)
        execute(session, CREATED, (*told, *alias))
        return change

    def told(self, subject: Model, columns: Columns, version: int | None) -> SubjectChange | None:
        """A change that another unit has committed, by default the newest; None where nobody told of it. One of before
        the subject's pinning is legacy's, whoever owns it by now.
        """
        session, ref = session_of(subject), getattr(subject, columns.ref)
        at = version or getattr(subject, columns.version)
        found = execute(session, TOLD, (ref, at), joins=False) if ref is not None else []
        if not found:
            return None
        ((type_, epoch),) = found
        ownership = read_owners(getattr(subject, columns.ownership)) if epoch else ALL_LEGACY
        engine = session.get_bind(inspect(type(subject))).engine
        values = (identity(subject), str(ref), int(at), str(type_), ownership, engine)
        return SubjectChange(*values, inside=None, committed=True, deferred=True)

    def changed(self, subject: Model, columns: Columns, pinned: Pinned, news: News) -> SubjectChange:
        """The next version, under the row's lock; one that nobody has told of before is pinned."""
        session = session_of(subject)
        session.flush()
        ref: str | None = getattr(subject, columns.ref)
        values = {}
        if ref is None:
            ref = str(execute(session, PIN_ALIAS, (self.subject, columns.native_id(subject)))[0][0])
            values[columns.ref] = ref
        version, owners = columns.take_version(session, subject, values, pinned.owners if pinned.ref == ref else "")
        change, event = self._told(session, subject, _Numbered(ref, version, owners), news, pinned.traceparent)
        told = (ref, version, news.type, self._number(change), str(event.id), change.ownership.epoch)
        execute(session, CHANGED, told)
        return change

    def _told(
        self, session: Session, subject: Model, at: _Numbered, news: News, traceparent: str | None
    ) -> tuple[SubjectChange, Event]:
        payload, ownership = news.payload, read_owners(at.owners)
        event = Event(
            aggregate_type=self.subject,
            aggregate_id=at.ref,
            aggregate_version=at.version,
            type=news.type,
            payload=payload() if callable(payload) else payload,
            context={**self.context(subject), "ownership": at.owners, "epoch": ownership.epoch},
            traceparent=traceparent,
        )
        append(session, event)
        engine = session.get_bind(inspect(type(subject))).engine
        inside = session.get_nested_transaction() or session.get_transaction()
        change = SubjectChange(
            identity(subject), at.ref, at.version, news.type, ownership, engine, inside, event.payload
        )
        return change, event

    def _number(self, change: SubjectChange) -> int:
        return self.process(change.engine).number()


@dataclass(frozen=True, slots=True)
class _Numbered:
    ref: str
    version: int
    owners: str
