"""A subject returns to a legacy step, which does at once what nobody has done: by the stored events, and no guess."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from outbox.speaking import execute
from strangler.ownership import Owner
from strangler.seam.adapted import Adapted
from strangler.seam.mapped import Columns, Model
from strangler.seam.pinned import read_owners
from strangler.seam.step import CallTarget, Seams, SeamStep

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Mapped: TypeAlias = tuple[Model, Columns]
TakeBack: TypeAlias = Callable[[Model, str], bool]
OWNERS = "SELECT owners FROM strangler.ownership WHERE subject_ref = %s"
UNRECORDED = "SELECT version, type, payload FROM strangler.unrecorded_changes(%s, %s, %s::text[], %s)"


@dataclass(frozen=True, slots=True)
class HandedBack:
    """`status` as HTTP says it: 200, 404 no such subject or step, 409 still the new side's, 410 too old to be run."""

    status: int
    said: str
    versions: Sequence[int] = ()


def hand_back(
    session: Session, seams: Seams, mapped: Mapped, step: str, ref: str, *, take_back: TakeBack | None = None
) -> HandedBack:
    """COMMITS. Runs the step for each version that it has not ended for, under the row's lock; none is left out.

    `take_back(subject, step)`: where the chain waits for the step, it runs that itself when it goes on.
    What a step raises reaches the caller: what was done until then is recorded, and not done again.
    """
    steps = [one for one in seams.steps if one.name == step]
    if not steps:
        known = ", ".join(sorted({one.name for one in seams.steps}))
        return HandedBack(404, f"step {step[:80]!r} cannot be handed back; known: {known}")
    model, columns = mapped
    query = session.query(model).filter(getattr(model, columns.ref) == ref).populate_existing()
    subject = query.with_for_update().one_or_none()
    if subject is None:
        return HandedBack(404, f"there is no subject {ref[:80]}")
    found = execute(session, OWNERS, (ref,))
    owners = str(found[0][0]) if found else ""
    if read_owners(owners).of(step) is Owner.NEW:
        return HandedBack(409, f"{step} of {ref[:80]} is still the new side's; put its tombstone there first")
    setattr(subject, columns.ownership, owners)
    awaited = [int(getattr(subject, columns.version))] if take_back is not None and take_back(subject, step) else []
    types = sorted({type_ for one in steps for type_ in one.on})
    due = execute(session, UNRECORDED, (ref, step, types, getattr(subject, columns.version))) if types else []
    gone = [version for version, type_, payload in due if type_ is None or payload is None]
    if gone:
        session.rollback()
        return HandedBack(
            410, f"the events of {ref[:80]} are no longer kept: {step} cannot run for versions {gone[:20]}"
        )
    engine = session.get_bind(model.__mapper__).engine
    for version, type_, payload in due:
        one = next(one for one in steps if type_ in one.on)
        seams.call(_again(one, bytes(payload)), CallTarget(ref, version, read_owners(owners), engine), subject, (), {})
    session.commit()
    return HandedBack(200, "handed back", [*awaited, *(version for version, _, _ in due)])


def _again(step: SeamStep, payload: bytes) -> SeamStep:
    """The step for a stored event: by `redo` where there is one, else for the subject as it is now."""
    if step.redo is None:
        return step
    redo, body = Adapted.of(step.redo), json.loads(payload)
    return replace(step, function=lambda subject, *, key: redo(subject, body, key=key))
