"""What enters an application on SQLAlchemy 1.4 or 2, without routes: see `Strangled`."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

from sqlalchemy import inspect
from sqlalchemy.orm import Session, object_session

from outbox.fault_points import FaultPoints
from strangler.continuation.table import standing
from strangler.errors import BadInput
from strangler.seam.adapted import Adapted
from strangler.seam.changes import Sessions, SubjectChange
from strangler.seam.mapped import Columns, Mixin, Model, identity, session_of
from strangler.seam.pinned import Pinned, read_owners
from strangler.seam.process import Processes
from strangler.seam.step import CallTarget, FunctionT, Seams, SeamStep
from strangler.seam.suspended import Suspended
from strangler.seam.telling import Context, News, Payload, Telling, no_context
from strangler.seam.unit import Unit
from strangler.seam.with_middle import LONGEST_WAIT_S, WithMiddle
from strangler.step.intents import Intent

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


class Strangled(WithMiddle):
    """The subject of a monolith: what becomes of it, and the seams around the steps of its chain.

    `subject`: its name in the plan. `wait_s`: how long a request waits for a step of the middle. `headers()`: those of
    the request at hand, which tell what the facade has pinned; none by default. `context(subject)`: what its events say
    in their context beside owners and epoch, such as whose it is (`{"tenant": ...}`). Thread-safe, made once.

        strangled = Strangled("booking")

        class Booking(strangled.Mixin, Base): ...

        @strangled.step("mail", on=("BookingMade",), observe=lambda booking, message: [Call("mail", "send", message)])
        def send_confirmation(booking, key): ...

        strangled.created(booking, "BookingMade", booking.to_dict)
        session.commit()
        send_confirmation(booking)

    Whether the steps come before or after the commit is not declared: it is heard from the session.
    """

    Mixin: ClassVar[type[Mixin]] = Mixin

    def __init__(
        self,
        subject: str,
        *,
        wait_s: float = 0.1,
        headers: Callable[[], Mapping[str, str]] = dict,
        context: Context = no_context,
    ) -> None:
        self.subject = subject
        if not 0 <= wait_s <= LONGEST_WAIT_S:
            raise BadInput(f"wait_s is {wait_s}; give 0 to {LONGEST_WAIT_S:g} seconds, less than a client waits")
        self.wait_s = wait_s
        self._headers = headers
        self._columns: dict[type[Model], Columns] = {}
        self._fault_points = FaultPoints.from_environ(os.environ)
        self._processes, self._sessions = Processes(), Sessions(self._fault_points)
        self._seams = Seams(self._target, self._processes.of, self._fault_points)
        self._telling = Telling(subject, self._processes.of, context)
        self._unit: ContextVar[Unit | None] = ContextVar(f"strangler_unit_{subject}", default=None)
        self._engine: Engine | None = None  # the one last met
        self._outside: WeakKeyDictionary[Session, Unit] = WeakKeyDictionary()
        self._suspended = Suspended(
            self._columns_of_model, self._processes, self._seams, self._unit_of, self._keep, context
        )

    def map(
        self,
        model: type[Model],
        *,
        ref: str = "subject_ref",
        version: str = "version",
        ownership: str = "ownership",
        id: str | None = None,  # noqa: A002 - as routes say it
    ) -> None:
        """Instead of `Mixin`: the attributes of the model that hold them, and what `{id}` of a route is (by default the
        primary key). `ref` is unique text or NULL, `version` a whole number from 0, `ownership` text.
        """
        columns = Columns(ref, version, ownership, id)
        columns.check(model)
        self._columns[model] = columns

    def created(self, subject: Model, type: str, payload: Payload, part: int | None = None) -> None:  # noqa: A002
        """Tell that the subject was made, before the commit: it gets version 1, the reference and the owners that came
        with the request, and its event stands in the same transaction.

        `subject` is in a session, which is flushed. `payload`: JSON's bytes, a mapping, or a function that gives either
        and is called after the flush, when ids are there. `part`: from 1, where one request makes several subjects.
        `BadInput` for a subject that was created before. What the database refuses is raised as ever.
        """
        news = News(type, payload, part)
        self._keep(subject, self._telling.created(subject, self._columns_of(subject), self._pinned(), news))
        self._fault_points.reach("seam.told")

    def changed(self, subject: Model, type: str, payload: Payload) -> None:  # noqa: A002 - the event's field
        """Tell that the subject was changed, before the commit. Its version is taken under the row's lock, which this
        transaction holds from here on, and the subject is read anew after it; then the event is written.

        A subject that was there before the toolkit becomes one with its first change: version 1.
        """
        news = News(type, payload)
        self._keep(subject, self._telling.changed(subject, self._columns_of(subject), self._pinned(), news))
        self._fault_points.reach("seam.told")

    def step(
        self,
        name: str,
        on: Collection[str],
        observe: Callable[..., Sequence[Intent]],
        redo: Callable[..., object] | None = None,
        *,
        deferred: bool = False,
        subject: str = "",
    ) -> Callable[[FunctionT], FunctionT]:
        """Decorate a step `function(subject, ..., key)`; the application calls it without `key`, as before.

        `name`: in the plan. `on`: the types of the changes after which it is called. Where the new side owns the step
        it is not called, and None returned. Else it runs, with a vendor's key that is the same from either side, and
        what `observe(subject, result, ...)` reads off is recorded; as `version=` it gets that of the change, where it
        has such a parameter. Its errors reach the caller, those of observing and recording never do.
        `redo(subject, payload, key=...)`: run it for a stored event that was handed back; by default the step itself,
        for the subject as it is now (`BadInput` where it needs more than the subject). What has no parameter `key` is
        called without. `deferred`: a worker calls it, in a `unit` of its own. `subject`: the name of the parameter that
        is the subject, where that is not the first.
        """

        def decorate(function: FunctionT) -> FunctionT:
            if redo is None:
                Adapted.of(function, subject).check_repeatable(name)
            return self._seams.wrap(SeamStep(name, frozenset(on), observe, function, redo, deferred, subject), function)

        return decorate

    @contextmanager
    def unit(self, subject: Model | None = None, version: int | None = None) -> Iterator[None]:
        """Outside of requests (a script, a task): at its end it is said which steps were not called, and so not due.

        with strangled.unit():
            strangled.changed(booking, "BookingCancelled", booking.to_dict)
            session.commit()

        With a subject: what a worker does for a change that a request has committed, whose steps are `deferred`. Send
        the version along with the task: when it runs, there may be a newer one.

        with strangled.unit(booking, version):
            send_confirmation(booking)
        """
        unit = Unit(self._seams.settle)
        change = None if subject is None else self._telling.told(subject, self._columns_of(subject), version)
        if change is not None:
            unit.add(change)
        token = self._unit.set(unit)
        try:
            yield
        except BaseException:
            unit.end(failed=True)
            raise
        finally:
            self._unit.reset(token)
            unit.end(failed=False)

    def close(self) -> None:
        """End the connections that this process has beside the application's pool. What it has changed can then be
        judged as if the process had ended; a later change opens them anew.
        """
        self._chain.close()
        self._processes.close()

    def _pinned(self) -> Pinned:
        return Pinned.of(self.subject, self._headers())

    def _keep(self, subject: Model, change: SubjectChange) -> None:
        session, self._engine = session_of(subject), change.engine
        self._sessions.add(session, change)
        (self._unit_at_hand() or self._outside.setdefault(session, Unit(self._seams.settle, endless=True))).add(change)

    def _unit_at_hand(self) -> Unit | None:
        """None outside of any: there, a session's changes are one that never ends."""
        return self._unit.get()

    def _unit_of(self, subject: Model) -> Unit | None:
        unit = self._unit_at_hand()
        if unit is None and (session := object_session(subject)) is not None:
            unit = self._outside.get(session)
        return unit

    def _columns_of(self, subject: Model) -> Columns:
        return self._columns_of_model(type(subject))

    def _columns_of_model(self, model: type[Model]) -> Columns:
        if model not in self._columns:
            known = next((self._columns[one] for one in model.__mro__ if one in self._columns), Columns())
            known.check(model)
            self._columns[model] = known
        return self._columns[model]

    def _creation_status(self, session: Session, subject: Model) -> int:
        """What making the subject would be answered now."""
        if not self._chain.middle.steps:
            return 201
        waits, refused_by = standing(session, self._suspended.reference_of(subject))
        if waits:
            return 202
        return 201 if refused_by is None else self._chain.middle.statuses[refused_by]

    def _target(self, subject: Model) -> CallTarget | None:
        unit = self._unit_of(subject)
        change = unit.latest(identity(subject)) if unit is not None else None
        if change is not None:
            return CallTarget(change.ref, change.version, change.ownership, change.engine, change)
        columns = self._columns_of(subject)
        ref, version = getattr(subject, columns.ref), getattr(subject, columns.version)
        if ref is None or not version:
            return None
        owners = read_owners(getattr(subject, columns.ownership))
        return CallTarget(ref, version, owners, self._engine_of(subject))

    def _engine_of(self, subject: Model) -> Engine:
        """Of one in no session, that of any other: its step is due all the same."""
        if object_session(subject) is None and self._engine is not None:
            return self._engine
        self._engine = engine = session_of(subject).get_bind(inspect(type(subject))).engine
        return engine
