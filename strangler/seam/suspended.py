"""A subject between two transactions of its chain: found again, locked, told of, and its unit's while it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from outbox.appending import append
from outbox.event import Event
from outbox.speaking import execute
from strangler.continuation import table
from strangler.errors import BadInput
from strangler.ownership import Ownership
from strangler.seam.changes import SubjectChange
from strangler.seam.mapped import Columns, Model, identity
from strangler.seam.observation import Observation, asked
from strangler.seam.pinned import read_owners
from strangler.seam.process import Processes
from strangler.seam.record import SeamCall, SeamState, record
from strangler.seam.step import Seams
from strangler.seam.telling import Context, no_context
from strangler.seam.unit import Unit
from strangler.step.intents import Json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# Who may act on it from now on is this process. The calls that were made for the change before have had their numbers.
TAKEN = """
WITH change (subject_ref, version, process) AS (VALUES (%s::text, %s::bigint, %s::bigint)), taken AS (
    UPDATE strangler.subject_change AS told SET process = change.process
    FROM change WHERE (told.subject_ref, told.version) = (change.subject_ref, change.version) RETURNING type)
SELECT (SELECT type FROM taken), (
    SELECT jsonb_object_agg(step, calls)::text FROM (
        SELECT step, max(call) AS calls FROM strangler.seam_record JOIN change USING (subject_ref, version)
        WHERE inputs IS NOT NULL  -- of a call: what was said without one yields to the first
        GROUP BY step) AS made)"""
ROLLED_BACK = '{"error":"a step after it refused, and the transaction was rolled back"}'


@dataclass(slots=True)
class Suspended:
    """What a chain asks of the application. `keep` puts a change on the list of a session and of the unit at hand."""

    columns: Callable[[type[Model]], Columns]
    processes: Processes
    seams: Seams
    unit: Callable[[Model], Unit | None]
    keep: Callable[[Model, SubjectChange], None]
    context: Context = no_context

    def reference_of(self, subject: Model) -> str:
        return str(getattr(subject, self.columns(type(subject)).ref))

    def version_of(self, subject: Model) -> int:
        """The change at hand; the row's own may be a later one's by now."""
        change = self._change(subject)
        return int(getattr(subject, self.columns(type(subject)).version) if change is None else change.version)

    def ownership_of(self, subject: Model) -> Ownership:
        return read_owners(getattr(subject, self.columns(type(subject)).ownership))

    def check_runs(self, session: Session, subject: Model, names: Sequence[str]) -> None:
        """`BadInput` unless the subject's change stands in this very transaction, which `run` can commit, and no
        chain has run for the subject by which these steps would take another change's outcomes for theirs.
        """
        self._check_told(subject)
        if getattr(session, "_trans_context_manager", None) is not None:
            raise BadInput(
                "run commits, and nothing may follow that in a `with session.begin():` (or `begin_nested`); "
                "take that line away, run ends the transaction"
            )
        if self.version_of(subject) > 1:
            self._check_first(session, subject, names)

    def _check_first(self, session: Session, subject: Model, names: Sequence[str]) -> None:
        ref = self.reference_of(subject)
        before = table.run_before(session, ref, names)
        if before is None:
            return
        runs, step = before
        if runs:
            raise BadInput(
                f"{ref} still has a chain that waits or is ready, for {step}; change it with a run of its own when "
                f"that has ended: look at strangler.continuation"
            )
        raise BadInput(
            f"{ref} has an outcome of {step} from an earlier change, which this run would take for its own; "
            "a step of the middle runs once for a subject: give a later change's step a name of its own"
        )

    def _check_told(self, subject: Model) -> None:
        change = self._change(subject)
        if change is None:
            raise BadInput(f"nobody told of this {type(subject).__name__}; call created or changed before run")
        if not change.is_open:
            raise BadInput(
                f"{change.type} of {change.ref} is committed already, so a crash before run would strand it; "
                "leave that commit to run"
            )

    def locked(self, session: Session, model: type[Model], subject_ref: str) -> Model | None:
        """Fresh and locked; None where it is not there, or somebody else has locked it.

        Its own row alone: what is loaded with it may be on the other side of an outer join.
        """
        ref = getattr(model, self.columns(model).ref)
        query = session.query(model).filter(ref == subject_ref).populate_existing()
        return query.with_for_update(of=model, skip_locked=True).one_or_none()

    def tell(self, session: Session, subject: Model, step: str, type_: str, payload: Mapping[str, Json]) -> None:
        """Append an event of that step about the subject."""
        ownership = self.ownership_of(subject)
        owners = ownership.to_header() if ownership.epoch else ""
        context = {**self.context(subject), "ownership": owners, "epoch": ownership.epoch}
        event = Event(step, self.reference_of(subject), self.version_of(subject), type_, payload, context)
        append(session, event)

    def carried(self, subject: Model) -> Mapping[str, Json] | None:
        """What the subject's last event in this unit said of it; None where it had none."""
        change = self._change(subject)
        if change is None or change.payload is None:
            return None
        said = json.loads(change.payload)
        return said if isinstance(said, dict) else {}

    def not_due(self, session: Session, subject: Model, names: Sequence[str]) -> None:
        """Record that these steps of legacy's have nothing to do for the subject; not of one that was called."""
        ref, version = self.reference_of(subject), self.version_of(subject)
        for name in names:
            record(session, SeamCall.of(ref, version, name, self.ownership_of(subject)), SeamState.NONE)

    def calls_of(self, subject: Model) -> Mapping[str, int]:
        """By step, how many calls there were for the change at hand."""
        change = self._change(subject)
        return {} if change is None else dict(change.calls)

    def rolled_back(self, session: Session, subject: Model, calls: Mapping[str, int]) -> None:
        """Record calls whose own records went with a transaction: vendors may know them, so they were not nothing."""
        change = self._change(subject)
        if change is None:
            return
        inputs = asked(change.ref, change.version, {})
        for step, count in calls.items():
            for number in range(change.calls[step] + 1, count + 1):
                call = replace(SeamCall.of(change.ref, change.version, step, change.ownership), number=number)
                record(session, call, SeamState.FAILED, Observation(inputs, ROLLED_BACK, None))
            change.calls[step] = max(count, change.calls[step])

    def waits(self, subject: Model) -> None:
        """Its change is about to be committed: whoever goes on with it says what was due, not this unit."""
        change, unit = self._change(subject), self.unit(subject)
        if change is not None and unit is not None:
            unit.leave(change)

    def goes_on(self, session: Session, subject: Model, version: int | None) -> None:
        """Its change, by default the newest, is this unit's from now on, as one that this transaction has made."""
        ref, at = self.reference_of(subject), version or getattr(subject, self.columns(type(subject)).version)
        engine = session.get_bind(inspect(type(subject))).engine
        ((type_, made),) = execute(session, TAKEN, (ref, at, self.processes.of(engine).number()))
        inside = session.get_transaction()
        change = SubjectChange(identity(subject), ref, at, type_ or "", self.ownership_of(subject), engine, inside)
        change.calls.update(json.loads(made or "{}"))
        self.keep(subject, change)

    def ends(self, subject: Model) -> None:
        """Its chain has ended in this transaction, which also says what was not due: no unit need live on for that."""
        unit = self.unit(subject)
        for change in [] if unit is None else unit.open(identity(subject)):
            self.seams.settle_inside(change)

    def _change(self, subject: Any) -> SubjectChange | None:
        unit = self.unit(subject)
        return None if unit is None else unit.latest(identity(subject))
