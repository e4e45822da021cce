"""The seam around a step of the monolith: who acts, under which key, and what is written down of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from uuid import uuid4

from sqlalchemy import inspect as inspected
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, object_session

from outbox.fault_points import FaultPoints
from outbox.speaking import sqlstate
from strangler.ownership import Owner, Ownership
from strangler.seam.adapted import Adapted, with_version
from strangler.seam.changes import SubjectChange
from strangler.seam.observation import Observation, answered, asked, failed
from strangler.seam.process import SeamProcess
from strangler.seam.record import NOTHING_SEEN, SeamCall, SeamState, record_beside
from strangler.step.intents import Intent, effect_key, first_number

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

Function: TypeAlias = Callable[..., Any]  # the application's
FunctionT = TypeVar("FunctionT", bound=Function)
MAX_CALLS = 100  # of one version: the next number is the next version's first
IN_TRANSACTION = 2  # of libpq's transaction status, in both drivers; what comes after it can only be rolled back
UNIT_FAILED = Observation(None, '{"error":"the unit of work ended in an error before the call"}', None)


@dataclass(frozen=True, slots=True)
class SeamStep:
    """One function of the application that is a step, or a part of one: several may have its name.

    `on`: types of the changes after which it is called. `redo(subject, payload, key=...)` runs it for a stored event.
    `deferred`: a worker calls it, not the unit that made the change.
    """

    name: str
    on: Collection[str]
    observe: Callable[..., Sequence[Intent]]
    function: Function
    redo: Function | None = None
    deferred: bool = False
    subject: str = ""  # the name of the function's parameter that is the subject; its first by default
    names: Sequence[str] = ()  # of the function's parameters, without its subject and `key`

    def arguments(self, args: Sequence[object], kwargs: Mapping[str, object]) -> Mapping[str, object]:
        """By the function's own names, without its subject."""
        return {**dict(zip(self.names, args, strict=False)), **kwargs}


@dataclass(frozen=True, slots=True)
class CallTarget:
    """What a call is for. `change`: where this unit of work made it."""

    ref: str
    version: int
    ownership: Ownership
    engine: Engine
    change: SubjectChange | None = None


class Seams:
    """Every seam of the application. `target(subject)` finds what a call is for, None: nobody ever told of it."""

    def __init__(
        self,
        target: Callable[[Any], CallTarget | None],
        process: Callable[[Engine], SeamProcess],
        fault_points: FaultPoints,
    ) -> None:
        self._target, self._process, self._fault_points = target, process, fault_points
        self.steps: list[SeamStep] = []

    def wrap(self, step: SeamStep, function: FunctionT) -> FunctionT:
        """The function as the application calls it from now on: without `key`, and with what the seam does."""
        adapted = Adapted.of(function, step.subject)  # once: as dear as a third of a record
        step = replace(step, function=adapted, names=adapted.names, observe=with_version(step.observe))
        self.steps.append(step)

        @functools.wraps(function)
        def run(*given: Any, **kwargs: Any) -> Any:
            subject, args = adapted.taken(given, kwargs)
            target = self._target(subject)
            if target is None:  # no event will tell the new side of it; no key that a second call could have
                return adapted(subject, *args, key=str(uuid4()), **kwargs)
            if target.ownership.of(step.name) is Owner.NEW:
                return None
            return self.call(step, target, subject, args, kwargs)

        return run  # type: ignore[return-value]  # its `key` is given here

    def call(
        self, step: SeamStep, target: CallTarget, subject: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call it, and write down what came of it. Its errors reach the caller, those of writing never do, and those of
        observing where they have ended the session's transaction: its commit would be a rollback, without a word.
        """
        inputs = asked(target.ref, target.version, step.arguments(args, kwargs))
        begun, write = self._begin(step, target, inputs)
        if begun.number is not None and begun.number <= MAX_CALLS:
            key = effect_key(target.ref, step.name, first_number(target.version) + begun.number - 1)
        else:
            key = str(uuid4())  # of no use to a second call, and no other call's
        self._fault_points.reach("seam.begun")
        try:
            result = step.function(subject, *args, key=key, **kwargs)
        except BaseException as error:
            write(begun, SeamState.FAILED, failed(error, inputs))
            raise
        self._fault_points.reach("seam.called")
        session = object_session(subject)

        def look() -> Sequence[Intent]:
            if session is None or not session.autoflush:
                return step.observe(target.version, subject, result, *args, **kwargs)
            session.autoflush = False  # what it holds back may be refused
            try:
                return step.observe(target.version, subject, result, *args, **kwargs)
            finally:
                session.autoflush = True

        seen, unseen = answered(step.name, result, look, inputs)
        if unseen is not None and _has_ended(session, subject, unseen):
            write(begun, SeamState.FAILED, failed(unseen, inputs))
            raise unseen
        write(begun, SeamState.DONE, seen)
        self._fault_points.reach("seam.recorded")
        return result

    def _begin(
        self, step: SeamStep, target: CallTarget, inputs: str
    ) -> tuple[SeamCall, Callable[[SeamCall, SeamState, Observation], object]]:
        """The call with its number, and how its end is written: into the change's own transaction while that is open;
        else, beginning and end, by a connection of our own.
        """
        change, nth = target.change, None
        about = target.ref, target.version, step.name, target.ownership
        if change is not None:
            if change.is_open:
                return SeamCall.of(*about, change.next_number(step.name, inputs)), change.join
            change.calls[step.name] += 1
            nth = None if change.deferred else change.calls[step.name]  # other tasks have begun calls that we know not
        process = self._process(target.engine)
        call = SeamCall.of(*about, process=process.number())
        write = functools.partial(record_beside, process.engine)
        number = write(call, SeamState.BEGUN, Observation(inputs, None, None))
        return replace(call, number=number or nth), write

    def settle(self, change: SubjectChange, *, failed: bool) -> None:
        """The unit has ended: say of each step that could have followed the change and was not called that nothing is
        due, or that it failed together with the unit.
        """
        state, seen = (SeamState.FAILED, UNIT_FAILED) if failed else (SeamState.NONE, NOTHING_SEEN)
        for call in self._not_called(change):
            record_beside(self._process(change.engine).engine, call, state, seen)

    def settle_inside(self, change: SubjectChange) -> None:
        """The same, that nothing is due, in the transaction of the change; the unit's end need not say it again."""
        for call in self._not_called(change):
            change.join(call, SeamState.NONE, NOTHING_SEEN)
            change.calls[call.step] = 0

    def _not_called(self, change: SubjectChange) -> list[SeamCall]:
        names = {step.name for step in self.steps if change.type in step.on and step.deferred is change.deferred}
        if change.deferred and len(names) > 1:  # each is another task's, which says it itself
            return []
        return [
            SeamCall.of(change.ref, change.version, name, change.ownership)
            for name in sorted(names - set(change.calls))
            if change.ownership.of(name) is not Owner.NEW
        ]


def _has_ended(session: Session | None, subject: Any, error: Exception) -> bool:
    """Whether the session's transaction, if it is in one, can only be rolled back after the error."""
    if session is None or not (isinstance(error, SQLAlchemyError) or sqlstate(error)):
        return False
    if not (session.is_active and session.in_transaction()):
        return session.in_transaction()
    try:
        connection = session.connection(bind_arguments={"mapper": inspected(type(subject))})
        driver: Any = connection.connection.dbapi_connection
        return bool(driver.info.transaction_status > IN_TRANSACTION)
    except SQLAlchemyError:  # it has no connection any more
        return True
