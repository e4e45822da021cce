"""The facade served by gunicorn: the one place where its parts are put together."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from outbox.fault_points import FaultPoints
from outbox.metrics import listen
from outbox.metrics import serve as serve_metrics
from strangler.facade.app import Facade
from strangler.facade.database import Database
from strangler.facade.expiry import EVERY_S, Expiry
from strangler.facade.facade_catalogue import Bounded
from strangler.facade.measures import Measures, SharedMeasures, Unmeasured
from strangler.facade.message import Headers
from strangler.facade.outcome import Bounds, Outcomes
from strangler.facade.owned import ClaimSettings, OwnedWrites
from strangler.facade.targets import Targets
from strangler.facade.upstream import Upstream, UpstreamSettings
from strangler.http_server import RawRequest, serve
from strangler.ownership import reference_header
from strangler.plan import Plan
from strangler.routes import INTERNAL_PREFIX

LEASE_MARGIN_S = 5.0  # for connecting and storing; ending early is harmless, a repeat only looks the subject up


@dataclass(frozen=True, slots=True)
class FacadeSettings:
    """`read_timeout_s` bounds each wait for the application, `client_timeout_s` each wait for a client.

    `internal_token` opens the toolkit's own routes in the application. `metrics`: where the page of them is served.
    `expire_every_s`: how often a worker looks for keys whose time is over.
    """

    dsn: str
    upstream: str
    port: int
    host: str = "127.0.0.1"
    workers: int = 1
    threads: int = 32
    read_timeout_s: float = 30.0
    client_timeout_s: float = 30.0
    body_limit_bytes: int = 1024 * 1024
    database_connections: int = 8
    internal_token: str | None = field(default=None, repr=False)
    metrics: tuple[str, int] | None = None
    expire_every_s: float = EVERY_S


class RawHeaders(threading.local):
    """The header list of the request that the calling thread works on.

    gunicorn calls `remember` in that thread, before it builds the environ. There, names with `_` would pass for
    names with `-` (`Script_Name` even for a setting), so they go no further than this list.
    """

    def __init__(self) -> None:
        self.fields: Headers = ()

    def remember(self, _worker: object, request: RawRequest) -> None:
        self.fields = list(request.headers)
        request.headers[:] = [field for field in request.headers if "_" not in field[0]]


def run(plan: Plan, settings: FacadeSettings, fault_points: FaultPoints) -> None:
    """Serve until SIGTERM; does not return. `ConfigurationError` where the page of metrics cannot be served."""
    raw = RawHeaders()
    measured = None if settings.metrics is None else (_measures_of(plan, settings), listen(settings.metrics))

    def of_worker() -> WSGIApplication:
        if measured is None:
            return make_app(plan, settings, fault_points, raw, Unmeasured())
        shared, listener = measured
        measures = shared.of_worker()
        serve_metrics(shared, listener)  # from each worker, so that none of them is missed
        return make_app(plan, settings, fault_points, raw, measures)

    serve(
        of_worker,
        port=settings.port,
        host=settings.host,
        workers=settings.workers,
        threads=settings.threads,
        pre_request=raw.remember,
    )


def _measures_of(plan: Plan, settings: FacadeSettings) -> SharedMeasures:
    limits = {
        Bounded.THREADS: settings.threads,
        Bounded.UPSTREAM: settings.threads,  # a connection for each thread
        Bounded.DATABASE: settings.database_connections,
    }
    routes, steps = [route.target for route in plan.routes], [step.name for step in plan.steps]
    return SharedMeasures(routes, steps, settings.workers, limits)


def make_app(
    plan: Plan, settings: FacadeSettings, fault_points: FaultPoints, raw: RawHeaders, measures: Measures
) -> WSGIApplication:
    """One worker's application. Connections are opened when they are needed."""
    way = UpstreamSettings(settings.upstream, connections=settings.threads, read_timeout_s=settings.read_timeout_s)
    upstream = Upstream(way, measures)
    database = Database(settings.dsn, measures, size=settings.database_connections)
    bounds = Bounds(
        plan.subject.path,
        plan.subject.status_path,
        answer_bytes=settings.body_limit_bytes,
        answer_within_s=settings.read_timeout_s,
        token=settings.internal_token if plan.subject.internal_look_up else None,
    )
    claim_settings = ClaimSettings(
        lease_s=settings.read_timeout_s + LEASE_MARGIN_S,
        reference_header=reference_header(plan.subject.name),
        work=plan.subject.name,
        caller=() if plan.subject.caller is None else plan.subject.caller,
        body_limit_bytes=settings.body_limit_bytes,
    )
    outcomes = Outcomes(database, upstream, bounds)
    owned = OwnedWrites(claim_settings, upstream, outcomes, fault_points, measures=measures)
    Expiry(database, measures, settings.expire_every_s).start()
    targets = Targets(plan.routes, internal=[plan.subject.hand_back_path, INTERNAL_PREFIX + "{rest:path}"])
    facade = Facade(targets, owned, upstream, database, lambda: raw.fields, measures=measures)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["gunicorn.socket"].settimeout(settings.client_timeout_s)  # a client that stalls must not keep a thread
        return facade(environ, start_response)

    return app
