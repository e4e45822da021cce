"""The facade as a WSGI application: owned writes are claimed, everything else passes through."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import assert_never
from wsgiref.types import StartResponse, WSGIEnvironment

from strangler.facade.database import Database
from strangler.facade.facade_catalogue import OTHER_ROUTE, Bounded
from strangler.facade.forward import Streamed, forward
from strangler.facade.measures import Measures
from strangler.facade.message import Headers, Request, RequestOutcome, Response
from strangler.facade.owned import OwnedWrites
from strangler.facade.problem import NO_TUNNEL, NOT_HERE, request_refused
from strangler.facade.targets import AmbiguousTarget, Match, NotOwned, Owned, Reserved, Targets
from strangler.facade.upstream import Upstream

HEALTH_PATH = "/-/healthz"
METHOD_OVERRIDES = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
PATH_OVERRIDES = frozenset({"x-original-url", "x-rewrite-url"})
OVERRIDE_REFUSED = "a header field overrides method or path, which would make this an owned request; send it plainly"


class Facade:
    """`raw_headers` gives the field list of the request that this thread works on, as it was parsed."""

    def __init__(
        self,
        targets: Targets,
        owned: OwnedWrites,
        upstream: Upstream,
        database: Database,
        raw_headers: Callable[[], Headers],
        *,
        measures: Measures,
    ) -> None:
        self._targets = targets
        self._owned = owned
        self._upstream = upstream
        self._database = database
        self._raw_headers = raw_headers
        self._measures = measures

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(
            method=environ["REQUEST_METHOD"],
            target=environ["RAW_URI"],
            headers=self._raw_headers(),
            peer=environ["REMOTE_ADDR"],
            scheme=environ["wsgi.url_scheme"],
            body=environ["wsgi.input"],
        )
        self._measures.use(Bounded.THREADS, 1)
        try:
            answer = self._measured(request)
        except BaseException:
            self._ended()
            raise
        sent = _Sent(answer.body, self._ended, empty=request.method == "HEAD")
        try:
            start_response(answer.status_line, list(answer.headers))
        except BaseException:  # a server refuses fields that it could not write; it closes nothing that it never got
            sent.close()
            raise
        return sent

    def _measured(self, request: Request) -> Response:
        began, route, answer = time.monotonic(), OTHER_ROUTE, None
        try:
            match = self._match(request)
            route = match.route.target if isinstance(match, Owned) else OTHER_ROUTE
            answer = self._answer(request, match)
        finally:
            self._measures.requested(route, answer, time.monotonic() - began)
        return answer

    def _ended(self) -> None:
        self._measures.use(Bounded.THREADS, -1)

    def _match(self, request: Request) -> Match:
        """Whose request it is, by its method and its raw target."""
        match = self._targets.match(request.method, request.target)
        return AmbiguousTarget(OVERRIDE_REFUSED) if self._is_overridden(request, match) else match

    def _answer(self, request: Request, match: Match) -> Response:
        if request.method == "CONNECT":
            return NO_TUNNEL.to_answer()
        match match:
            case Owned():
                return self._owned.answer(request, match)
            case AmbiguousTarget():
                return request_refused(match.why).to_answer()
            case Reserved():
                return self._own(request.method, match.path)
            case NotOwned():
                return forward(request, self._upstream)
            case _:
                assert_never(match)

    def _is_overridden(self, request: Request, match: Match) -> bool:
        """Whether an application that honours such fields would run another owned route, or a reserved path."""
        fields = [(name.lower().replace("_", "-"), value.strip()) for name, value in request.headers]
        methods = [value.upper() for name, value in fields if name in METHOD_OVERRIDES]
        targets = [value for name, value in fields if name in PATH_OVERRIDES]
        if not methods and not targets:
            return False
        both = product([request.method, *methods], [request.target, *targets])
        others = [
            other for other in (self._targets.match(*each) for each in both) if isinstance(other, Owned | Reserved)
        ]
        return any(_place(other) != _place(match) for other in others)

    def _own(self, method: str, path: str) -> Response:
        """200 while this process serves. Without a database it still forwards, so that is reported, not failed."""
        if path != HEALTH_PATH or method not in ("GET", "HEAD"):
            return NOT_HERE.to_answer()
        body = json.dumps({"status": "ready", "database": "up" if self._database.answers() else "down"}).encode()
        return Response(
            200,
            "OK",
            [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
            body,
            RequestOutcome.OWN,
        )


class _Sent:
    """An answer's body on its way to the client; `ended` hears that it has gone, or its client."""

    def __init__(self, body: bytes | Iterable[bytes], ended: Callable[[], None], *, empty: bool) -> None:
        self._body, self._ended, self._empty = body, ended, empty

    def __iter__(self) -> Iterator[bytes]:
        if isinstance(self._body, bytes):
            return iter([self._body] if self._body and not self._empty else [])
        return iter(self._body)

    def close(self) -> None:
        try:
            if isinstance(self._body, Streamed):
                self._body.close()
        finally:
            self._ended()


def _place(match: Match) -> object:
    """Where a request goes, in whichever spelling."""
    return (match.route, match.canonical) if isinstance(match, Owned) else match
