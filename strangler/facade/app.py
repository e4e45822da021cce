"""The facade as a WSGI application: owned writes are claimed, everything else passes through."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from strangler.facade.database import Database
from strangler.facade.forward import forward
from strangler.facade.message import Answer, Headers, Request
from strangler.facade.owned import OwnedWrites
from strangler.facade.problem import NO_TUNNEL, NOT_HERE
from strangler.facade.routes import Routes, canonical_path
from strangler.facade.upstream import Upstream

OWN_PREFIX = "/-/"  # the only paths that the application never sees
HEALTH_PATH = "/-/healthz"


class Facade:
    """`raw_headers` gives the field list of the request that this thread works on, as it was parsed."""

    def __init__(
        self,
        routes: Routes,
        owned: OwnedWrites,
        upstream: Upstream,
        database: Database,
        raw_headers: Callable[[], Headers],
    ) -> None:
        self._routes = routes
        self._owned = owned
        self._upstream = upstream
        self._database = database
        self._raw_headers = raw_headers

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(
            method=environ["REQUEST_METHOD"],
            target=environ["RAW_URI"],
            headers=self._raw_headers(),
            peer=environ["REMOTE_ADDR"],
            scheme=environ["wsgi.url_scheme"],
            body=environ["wsgi.input"],
        )
        answer = self.answer(request)
        start_response(answer.status_line, list(answer.headers))
        if not isinstance(answer.body, bytes):
            return answer.body
        return [answer.body] if answer.body and request.method != "HEAD" else []

    def answer(self, request: Request) -> Answer:
        """Whose request it is, by its raw target."""
        if request.method == "CONNECT":
            return NO_TUNNEL.to_answer()
        match = self._routes.match(request.method, request.target)
        if match is not None:
            return self._owned.answer(request, match)
        if canonical_path(request.target).startswith(OWN_PREFIX):
            return self._own(request)
        return forward(request, self._upstream)

    def _own(self, request: Request) -> Answer:
        """200 while this process serves. Without a database it still forwards, so that is told, not failed."""
        if canonical_path(request.target) != HEALTH_PATH or request.method not in ("GET", "HEAD"):
            return NOT_HERE.to_answer()
        body = json.dumps({"status": "ready", "database": "up" if self._database.answers() else "down"}).encode()
        return Answer(200, "OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)
