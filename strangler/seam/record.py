"""Write down what legacy did behind a seam: one round trip, and never at the cost of the caller's transaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from outbox.speaking import execute, sqlstate
from strangler.ownership import Owner, Ownership
from strangler.seam.observation import Observation

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from outbox.speaking import AnyConnection

logger = logging.getLogger(__name__)

ABORTED = "25P02"
RECORD = "SELECT strangler.record_seam(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
REFUSED = "refused "


class SeamState(StrEnum):
    """How far a call behind a seam has come; `none`: the unit of work ended without one."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SeamCall:
    """A call of a step for one change of a subject. `number`: from 1, None for the next; `process`: who makes it."""

    subject_ref: str
    version: int
    step: str
    owner: Owner
    epoch: int
    number: int | None = None
    process: int | None = None

    @classmethod
    def of(  # noqa: PLR0917 - as the fields are
        cls,
        subject_ref: str,
        version: int,
        step: str,
        ownership: Ownership,
        number: int | None = None,
        process: int | None = None,
    ) -> SeamCall:
        """By default the next one, by nobody in particular."""
        return cls(subject_ref, version, step, ownership.of(step), ownership.epoch, number, process)


NOTHING_SEEN = Observation(None, None, None)


def record(
    connection: AnyConnection, call: SeamCall, state: SeamState, seen: Observation = NOTHING_SEEN, *, joins: bool = True
) -> int | None:
    """The call's number, None where nothing could be written: that is logged, and the transaction is as usable as
    before. `joins`: into a transaction of the caller's, which must be there.
    """
    try:
        return _recorded(connection, call, state, seen, joins=joins)
    except Exception as error:  # noqa: BLE001 - a driver's, or of what is no connection: the answer stands
        if (
            state is not SeamState.FAILED or sqlstate(error) != ABORTED
        ):  # a failed statement takes its step's record along
            _lost(call, state, sqlstate(error), type(error).__name__)
        return None


def record_beside(engine: Engine, call: SeamCall, state: SeamState, seen: Observation = NOTHING_SEEN) -> int | None:
    """The same by a connection of our own, committed at once. One that the server has closed meanwhile is replaced."""
    for again in (True, False):
        try:
            with engine.connect() as connection:
                return _recorded(connection, call, state, seen, joins=False)
        except Exception as error:  # noqa: BLE001 - a driver's, or the pool's: the answer stands
            if not (again and getattr(error, "connection_invalidated", False)):
                _lost(call, state, sqlstate(error), type(error).__name__)
                return None
    return None


def _recorded(
    connection: AnyConnection, call: SeamCall, state: SeamState, seen: Observation, *, joins: bool
) -> int | None:
    values = (call.subject_ref, call.step, call.version, call.number, str(state), str(call.owner), call.epoch)
    more = (call.process, seen.inputs, seen.outcome, seen.intents)
    ((answer,),) = execute(connection, RECORD, (*values, *more), joins=joins, flushes=False)
    if answer is not None and answer.startswith(REFUSED):
        _lost(call, state, answer.removeprefix(REFUSED), "refused")
        return None
    return None if answer is None else int(answer)


def _lost(call: SeamCall, state: SeamState, said: str | None, error: str) -> None:
    """No traceback: the statement's parameters are the customer's. The judge finds the subject without its record."""
    extra = {"step": call.step, "version": call.version, "state": state.value, "sqlstate": said, "error": error}
    logger.error("seam_record_failed", extra=extra)
