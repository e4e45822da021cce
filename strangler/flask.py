"""What enters an application on Flask: see `Strangled`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flask import has_request_context, request

from strangler import sqlalchemy
from strangler.contexts import EXTENSION
from strangler.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from strangler.seam.mapped import Model


class Strangled(sqlalchemy.Strangled):
    """`strangler.sqlalchemy.Strangled` with the request's headers, its end, and the toolkit's own routes."""

    def __init__(self, subject: str, *, wait_s: float = 0.1) -> None:
        super().__init__(subject, wait_s=wait_s, headers=_headers)
        self._app: Flask | None = None

    def init_app(self, app: Flask, db: Any, model: type[Model]) -> None:
        """`db`: what has the sessions, Flask-SQLAlchemy's, or a scoped_session or sessionmaker."""
        self._app = app
        self.resumes(getattr(db, "session", db), model)
        app.extensions[EXTENSION] = self

    def go_on(self, subject_ref: str) -> bool:
        """As without Flask, inside the application's context."""
        if self._app is None:
            raise BadInput("nobody said which application this is; call strangled.init_app(app, db, Model)")
        with self._app.app_context():
            return super().go_on(subject_ref)


def _headers() -> Mapping[str, str]:
    return cast("Mapping[str, str]", request.headers) if has_request_context() else {}
