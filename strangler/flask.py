"""What enters an application on Flask from 2.2: see `Strangled`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g, has_app_context, has_request_context, jsonify, request
from sqlalchemy.orm import scoped_session, sessionmaker
from werkzeug.exceptions import HTTPException

from strangler import sqlalchemy
from strangler.errors import BadInput
from strangler.routes import EXTENSION
from strangler.seam.mapped import Model
from strangler.seam.pinned import Unreadable
from strangler.seam.served import TOKEN, Answered, Asked, Served, shown
from strangler.seam.telling import Context, Payload, RepeatedReference, no_context
from strangler.seam.unit import Unit

DEGRADE = "Strangler-Degrade"
SERVED = f"{EXTENSION}_served"


def degraded() -> frozenset[str]:
    """What of this request may be left out, by the names that its class of work has as `degrade`: the facade is full.

    Empty without pressure, without a facade in front, and outside of a request. What a client says of it itself, the
    facade drops.

    >>> "recommendations" in degraded()
    False
    """
    said = request.headers.get(DEGRADE, "") if has_request_context() else ""
    return frozenset(name for one in said.split(",") if (name := one.strip()))


class EarlyAnswer(HTTPException):
    """Ends a request with a response. Without a code no error handler of the application sees it, and extensions that
    answer the errors of their own routes (Flask-RESTful) pass its response on.

    That is made when it is asked for, after the application's own blocks have ended: inside `with session.begin()` the
    session of a failed flush can look nothing up.
    """

    def __init__(self, error: RepeatedReference | Unreadable) -> None:
        super().__init__()
        self._error = error
        del self.response  # that of `HTTPException`, None

    @cached_property
    def response(self) -> Response:  # type: ignore[override]  # read once, never set
        early = _early(self._error)
        if early is None:
            raise self._error
        return _response(early)


class Strangled(sqlalchemy.Strangled):
    """`strangler.sqlalchemy.Strangled` with the request's headers, its end, and the toolkit's own routes.

    A request is a unit of work, and so is an application context outside of requests (a command, a task).

        strangled = Strangled("booking")

        def create_app():
            app = Flask(__name__)
            db.init_app(app)
            strangled.init_app(app, db, Booking)
            return app
    """

    def __init__(self, subject: str, *, wait_s: float = 0.1, context: Context = no_context) -> None:
        super().__init__(subject, wait_s=wait_s, headers=_headers, context=context)
        self._unit_name, self._failed_name = f"strangler_unit_{subject}", f"strangler_failed_{subject}"
        self._app: Flask | None = None

    def init_app(
        self,
        app: Flask,
        db: Any,
        model: type[Model],
        *,
        answer: Callable[[Model], Mapping[str, Any]] = shown,
        guard: Callable[[Model], bool] | None = None,
    ) -> None:
        """Serve the toolkit's routes, and end each request's unit of work. At any place in `create_app`.

        `db`: an extension with a `session`, such as Flask-SQLAlchemy's, a scoped session, a function that gives a
        session, or a `sessionmaker`, of which the routes use sessions of their own.
        `answer(subject)`: the body of a look-up, which is what
        a client gets whose first answer was lost; by default `subject.to_dict()`, else its columns. `guard(subject)`:
        whether the request at hand may see that at `/strangler/status/REF`; without one, it tells no more than how far
        the subject has come. `STRANGLER_INTERNAL_TOKEN` opens the routes below `/internal/strangler/`; without it they
        are closed. They are served before the application's own `before_request` functions: its login does not know
        their caller.
        """
        self._app = app
        sessions = _sessions(db)
        if isinstance(sessions, sessionmaker):
            sessions = scoped_session(sessions)
            app.teardown_appcontext(lambda _error: sessions.remove())
        self.resumes(sessions, model)
        app.extensions[EXTENSION] = app.extensions[self._unit_name] = self
        served = Served(
            sessions,
            self._seams,
            model,
            self._columns_of_model(model),
            answer,
            guard,
            self._creation_status,
            os.environ.get(TOKEN, ""),
            lambda step: self.take_back if step in self._chain.middle.steps else None,
        )
        _serve(app, served)
        app.after_request(self._note)
        app.teardown_request(self._end)
        app.teardown_appcontext(self._end)

    def created(self, subject: Model, type: str, payload: Payload, part: int | None = None) -> None:  # noqa: A002
        """As without Flask. A request that is made again under one reference ends here, with its first answer."""
        with _answering():
            super().created(subject, type, payload, part)

    def changed(self, subject: Model, type: str, payload: Payload) -> None:  # noqa: A002 - the event's field
        """As without Flask."""
        with _answering():
            super().changed(subject, type, payload)

    def go_on(self, subject_ref: str) -> bool:
        """As without Flask, inside the application's context."""
        if self._app is None:
            raise BadInput("nobody said which application this is; call strangled.init_app(app, db, Model)")
        with self._app.app_context():
            return super().go_on(subject_ref)

    def _unit_at_hand(self) -> Unit | None:
        found = super()._unit_at_hand()
        if found is not None or not has_app_context() or self._unit_name not in current_app.extensions:
            return found
        unit = g.get(self._unit_name)
        if unit is None:
            unit = Unit(self._seams.settle)
            setattr(g, self._unit_name, unit)
        return unit if isinstance(unit, Unit) else None

    def _note(self, response: Response) -> Response:
        """An error that the application answers itself does not reach the teardown."""
        if response.status_code >= 500:
            setattr(g, self._failed_name, True)
        return response

    def _end(self, error: BaseException | None) -> None:
        unit = g.pop(self._unit_name, None)
        failed = g.pop(self._failed_name, False) or error is not None
        if unit is not None:
            unit.end(failed=failed)


def _sessions(db: Any) -> Any:
    """What gives a session when it is called. Some extensions have theirs in an application's context only."""
    if callable(db):
        return db
    try:
        session = db.session
    except RuntimeError:
        return lambda: db.session
    return session if callable(session) else lambda: db.session


def _serve(app: Flask, served: Served) -> None:
    """One set of routes for all subjects of the application: a reference is one subject's."""
    subjects: list[Served] = app.extensions.setdefault(SERVED, [])
    subjects.append(served)
    if len(subjects) > 1:
        return

    def serve() -> Response | None:
        asked = Asked(request.method, request.path, request.headers.get("Authorization", ""))
        for one in subjects:
            answered = one.answered(asked)
            if answered is None or answered.status != HTTPStatus.NOT_FOUND:
                break
        return None if answered is None else _response(answered)

    app.before_request_funcs.setdefault(None, []).insert(0, serve)
    trapped = app.trap_http_exception  # TRAP_HTTP_EXCEPTIONS would give ours to the application's error handlers
    app.trap_http_exception = lambda e: (  # type: ignore[method-assign]  # Flask has no other place for it
        not isinstance(e, EarlyAnswer) and trapped(e)
    )


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (RepeatedReference, Unreadable) as error:
        if not has_request_context():
            raise
        raise EarlyAnswer(error) from error


def _early(error: RepeatedReference | Unreadable) -> Answered | None:
    """What the request at hand is answered in the application's place."""
    if isinstance(error, Unreadable):
        return Answered(400, {"error": str(error)})
    subjects: list[Served] = current_app.extensions.get(SERVED, [])
    for one in subjects:
        one.session().rollback()  # the flush that found the first one has ended it
        if (answered := one.repeated(error.ref)) is not None:
            return answered
    return None


def _headers() -> Mapping[str, str]:
    found: Mapping[str, Any] = request.headers if has_request_context() else {}  # type: ignore[assignment]  # as good
    return found


def _response(answered: Answered) -> Response:
    response = jsonify(answered.body)
    response.status_code = answered.status
    response.headers.update(answered.headers)
    return response
