"""The part of `Strangled` for the steps that a chain waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from sqlalchemy import inspect
from sqlalchemy.orm import scoped_session

from strangler.errors import BadInput
from strangler.seam.chain import Chain
from strangler.seam.mapped import Model, session_of
from strangler.seam.middle import After, Awaited, reason_of
from strangler.seam.step import FunctionT, Seams, SeamStep
from strangler.seam.suspended import Suspended
from strangler.step.intents import Intent, Json

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.orm import Session, sessionmaker

    from outbox.fault_points import FaultPoints
    from outbox.speaking import DriverConnection
    from strangler.seam.process import Processes

LONGEST_WAIT_S = 60.0
STATUS_PATH = "/strangler/status/"
AfterT = TypeVar("AfterT", bound=After)
Answered = tuple[Any, int, Mapping[str, str]]


class WithMiddle:
    """`awaited`, `after`, `refused` and `run`, and `go_on` for whoever goes on with a subject in another process."""

    subject: str
    wait_s: float
    _fault_points: FaultPoints
    _seams: Seams
    _processes: Processes
    _suspended: Suspended
    _engine: Engine | None = None
    _model: type[Model] | None = None
    _begin_session: sessionmaker[Session] | scoped_session[Session] | None = None

    if TYPE_CHECKING:  # of the class that this is a part of

        def unit(self, subject: Model | None = None, version: int | None = None) -> AbstractContextManager[None]: ...

    def awaited(
        self,
        name: str,
        tells: tuple[str, str],
        observe: Callable[..., Sequence[Intent]],
        refusals: tuple[type[Exception], ...] = (),
        explain: Callable[[Exception], Mapping[str, Json]] = reason_of,
    ) -> Callable[[FunctionT], FunctionT]:
        """Decorate a step of the middle, `function(subject, key)`: the chain waits for what it comes to.

        It returns its outcome, a mapping of plain JSON, the same as the new side tells. Legacy's own is told as an
        event of type `tells[0]`, in the topic of the step's name; one of `refusals` that it raises behind a wait, as
        `tells[1]`, with `explain(error)` for its outcome: `{"reason": str(error)}` by default.
        `observe(subject, outcome)` is as in `step`. `run` calls it; it needs an `after` and a `refused`.
        """

        def decorate(function: FunctionT) -> FunctionT:
            watched = self._seams.wrap(SeamStep(name, frozenset(), observe, function), function)
            self._chain.middle.add(Awaited(name, tells, tuple(refusals), watched, explain))
            return watched

        return decorate

    def after(self, name: str) -> Callable[[AfterT], AfterT]:
        """Decorate what follows the step, `function(subject, outcome)`, in the transaction that ends its wait.

        It runs once, in the request or in the resumer, whoever was the step's owner; what it raises is tried again.
        """

        def decorate(function: AfterT) -> AfterT:
            self._chain.middle.add_after(name, function)
            return function

        return decorate

    def refused(self, name: str, status: int = 409) -> Callable[[AfterT], AfterT]:
        """Decorate what follows the step's refusal, `function(subject, outcome)`: it undoes what was done before it.

        What it returns is the client's answer, raised after the commit if it is an exception, else returned by `run`;
        for None that is `answer(subject)` with `status`. `status`: what a client is told who looks later.
        """

        def decorate(function: AfterT) -> AfterT:
            self._chain.middle.add_refused(name, function, status)
            return function

        return decorate

    def run(self, subject: Model, *steps: Callable[..., Any], answer: Callable[[Any], Any]) -> Any:
        """COMMITS. Run the steps of the middle, each with its `after`, on their sides; `(body, status, headers)`.

        What legacy owns runs here, and raises as ever before the first commit. For what the new side owns the subject
        is committed as it stands, and waited for, at most `wait_s` seconds, without a connection. 201 with
        `answer(subject)`; 202 with it and a Location where the chain goes on later; or what `refused` returns, raised
        if it is an exception.
        Nothing commits between `created` (or `changed`) and `run`: who dies between would leave a subject that nobody
        goes on with. `BadInput`, before anything runs, for that, for a step without its `after` or `refused`, for a
        session in a `with session.begin()`, and for a step that an earlier change of the subject has waited for.
        """
        session = session_of(subject)
        self._engine = session.get_bind(inspect(type(subject))).engine
        ended = self._chain.run(session, subject, steps, wait_s=self.wait_s)
        if isinstance(ended.refusal, BaseException):
            raise ended.refusal
        if ended.refused_by is not None and ended.refusal is None:
            return answer(subject), self._chain.middle.statuses[ended.refused_by], {}
        if ended.refused_by is not None:
            return ended.refusal
        if not ended.waits:
            return answer(subject), 201, {}
        where = STATUS_PATH + quote(self._suspended.reference_of(subject), safe="")
        return answer(subject), 202, {"Location": where, "Retry-After": "1"}

    def resumes(self, sessions: sessionmaker[Session] | scoped_session[Session], model: type[Model]) -> None:
        """Where `go_on` has its sessions from, and the subject's model. With Flask, `init_app` says it."""
        self._begin_session, self._model = sessions, model

    def tells(self) -> Mapping[str, tuple[str, str]]:
        """By step of the middle, the types of the events of its outcome; `BadInput` where one has no way on."""
        self._chain.middle.check()
        return self._chain.middle.tells()

    def go_on(self, subject_ref: str) -> bool:
        """COMMITS. Run the rest of a chain that nobody waits for; False where there is nothing to take. Thread-safe."""
        if self._begin_session is None or self._model is None:
            raise BadInput("nobody said where sessions come from; call strangled.resumes(sessions, Model) at the start")
        session = self._begin_session()
        try:
            with self.unit():
                return self._chain.go_on(session, self._model, subject_ref) is not None
        finally:
            self._begin_session.remove() if isinstance(self._begin_session, scoped_session) else session.close()

    def take_back(self, subject: Model, step: str) -> bool:
        """A step of the middle is legacy's again, by the owner that stands at the subject, which is locked. True: the
        chain has still to run it, and does so when it goes on. False: it does not wait, or has gone on behind it.
        """
        return self._chain.take_back(session_of(subject), subject, step)

    @cached_property
    def _chain(self) -> Chain:
        return Chain(self._suspended, self._listen, self._fault_points)

    def _listen(self) -> DriverConnection:
        """Beside the application's pool, and not pooled."""
        if self._engine is None:
            raise BadInput("wake-ups are heard by a process that has run a chain; call `run` first")
        connection = self._processes.of(self._engine).engine.raw_connection()
        driver: DriverConnection = connection.driver_connection  # type: ignore[assignment]  # of psycopg or psycopg2
        connection.detach()
        return driver
