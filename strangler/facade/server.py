"""The facade as workers behind one socket: the one place where its parts are put together."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module

from outbox.event import uuid7
from outbox.fault_points import FaultPoints
from outbox.metrics import listen
from outbox.metrics import serve as serve_metrics
from strangler.errors import RefusedError
from strangler.facade.admitting import AdmittingSettings, admitting_of
from strangler.facade.app import Facade
from strangler.facade.claims import AHEAD
from strangler.facade.client_link import Patience
from strangler.facade.clients import Clients
from strangler.facade.conversation import converse
from strangler.facade.entrance import Entrance
from strangler.facade.expiry import EVERY_S, Expiry
from strangler.facade.facade_catalogue import Bounded
from strangler.facade.hang import end_if_it_hangs
from strangler.facade.health import Health
from strangler.facade.lag_watch import NO_LAG, LagPlaces
from strangler.facade.look_up import Places
from strangler.facade.loop_database import LoopDatabase
from strangler.facade.loop_upstream import LoopUpstream, UpstreamSettings
from strangler.facade.measures import Measures, SharedMeasures, Unmeasured
from strangler.facade.mode_at_the_edge import watch_modes
from strangler.facade.outcome import Bounds, Outcomes
from strangler.facade.owned import ClaimSettings, OwnedWrites
from strangler.facade.read_serving import CONNECTIONS, ReadServing
from strangler.facade.read_ways import ReadWays
from strangler.facade.seats import Seats
from strangler.facade.shared_cells import SPARE_ROWS
from strangler.facade.supervise import GRACE_S, supervise
from strangler.facade.targets import Targets
from strangler.facade.threads import Threads
from strangler.ownership import reference_header
from strangler.plan import Plan
from strangler.routes import INTERNAL_PREFIX

logger = logging.getLogger(__name__)

LEASE_MARGIN_S = 5.0  # for connecting and storing: nobody begins again what may still be under way
BACKLOG = 1024
CLOSE_S = 1.0  # for statements that nobody waits for; the server has them
PROBES = 64  # clients of the socket for health
DESCRIPTORS = 128  # for what is neither a client's nor the application's


@dataclass(frozen=True, slots=True)
class FacadeSettings:
    """`read_timeout_s` bounds each wait for the application, `answer_timeout_s` an owned request's whole answer,
    `client_timeout_s` a head, a body and each wait for a client that takes an answer. `clients`, `connections` (to the
    application) and `threads` (of what would hold up the loop) are one worker's.

    `upstream_ca_file`: by whom the application's certificate must be signed, None: by one that the system trusts.
    `internal_token` opens the toolkit's own routes in the application. `metrics`: where the page of them is served.
    `health_port`: where `/-/healthz` is answered beside the clients' port.
    `candidates`: addresses of the applications that take over the plan's reads, by the read's name.
    `admission_bp`: the share of requests that the plan's admission is asked about. `lag`: where that of the contexts
    is read which it promises.
    `expire_every_s`: how often a worker looks for keys whose time is over.
    """

    dsn: str
    upstream: str
    port: int
    upstream_ca_file: str | None = None
    host: str = "127.0.0.1"
    workers: int = 1
    threads: int = 8
    clients: int = 10_000
    connections: int = 256
    read_timeout_s: float = 30.0
    answer_timeout_s: float = 30.0
    client_timeout_s: float = 30.0
    body_limit_bytes: int = 1024 * 1024
    database_connections: int = 8
    health_port: int | None = None
    internal_token: str | None = field(default=None, repr=False)
    metrics: tuple[str, int] | None = None
    expire_every_s: float = EVERY_S
    admission_bp: int = 0
    lag: LagPlaces = NO_LAG
    candidates: Mapping[str, str] = field(default_factory=dict)

    @property
    def admitting(self) -> AdmittingSettings:
        return AdmittingSettings(self.dsn, self.workers, self.admission_bp, self.lag)


def run(plan: Plan, settings: FacadeSettings, fault_points: FaultPoints) -> None:
    """Serve until SIGTERM. `RefusedError` where a port is taken, `ConfigurationError` where the page of metrics cannot
    be served.
    """
    ports = [settings.port] if settings.health_port is None else [settings.port, settings.health_port]
    sockets = [_listening(settings.host, port) for port in ports]
    measured = None if settings.metrics is None else (_measures_of(plan, settings), listen(settings.metrics))
    legacy = UpstreamSettings(settings.upstream, settings.upstream_ca_file)
    reads = ReadServing(plan, settings.dsn, legacy, settings.candidates) if plan.reads else None

    def measures_here() -> Measures:
        if measured is None:
            return Unmeasured()
        shared, listener = measured
        serve_metrics(shared, listener)  # from each process, so that none of them is missed
        return shared.of_worker()

    seats, facade = Seats(2 * settings.workers + SPARE_ROWS), uuid7().hex

    def work() -> None:
        measures = measures_here()
        with asyncio.Runner(loop_factory=_new_loop()) as runner:
            worker = f"{facade}/{seats.take()}"
            runner.run(_serve(plan, settings, fault_points, measures, sockets=sockets, worker=worker, reads=reads))

    def compare() -> None:
        for each in sockets:
            each.close()  # else clients could connect to who never answers
        if reads is not None:
            asyncio.run(reads.compare(measures_here()))

    def close() -> None:
        for each in sockets:
            each.close()
        if reads is not None:
            reads.close()

    supervise(work, settings.workers, close, [] if reads is None else [compare])


def facade_of(
    plan: Plan,
    settings: FacadeSettings,
    fault_points: FaultPoints,
    *,
    measures: Measures,
    database: LoopDatabase,
    health: Health,
    reads: ReadWays | None = None,
    entrance: Entrance | None = None,
) -> Facade:
    """One worker's. Connections are opened when they are needed."""
    loop = asyncio.get_running_loop()
    way = UpstreamSettings(
        settings.upstream,
        settings.upstream_ca_file,
        connections=settings.connections,
        read_timeout_s=settings.read_timeout_s,
    )
    upstream = LoopUpstream(way, loop, measures)
    token = settings.internal_token if plan.subject.internal_look_up else None
    claim_settings = ClaimSettings(
        lease_s=settings.answer_timeout_s + LEASE_MARGIN_S,
        reference_header=reference_header(plan.subject.name),
        work=plan.subject.name,
        places=Places(plan.subject.path, plan.subject.status_path, token),
        caller=() if plan.subject.caller is None else plan.subject.caller,
    )
    bounds = Bounds(answer_bytes=settings.body_limit_bytes, answer_within_s=settings.answer_timeout_s)
    owned = OwnedWrites(
        claim_settings,
        Outcomes(database, upstream, bounds, loop),
        Threads(settings.threads, settings.read_timeout_s, measures),
        fault_points,
        measures=measures,
    )
    internal = [plan.subject.hand_back_path, INTERNAL_PREFIX + "{rest:path}"]
    targets = Targets(plan.routes, internal, below_a_base=bool(way.base().path))
    watch_modes(plan, settings.dsn, entrance, loop, measures)
    return Facade(
        targets,
        owned,
        upstream,
        health,
        measures=measures,
        limit_bytes=settings.body_limit_bytes,
        entrance=entrance,
        reads=reads,
    )


async def _serve(
    plan: Plan,
    settings: FacadeSettings,
    fault_points: FaultPoints,
    measures: Measures,
    *,
    sockets: list[socket.socket],
    worker: str,
    reads: ReadServing | None,
) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    end_if_it_hangs(loop)
    health = Health(LoopDatabase(settings.dsn, Unmeasured(), size=1), loop)
    database = LoopDatabase(settings.dsn, measures, size=settings.database_connections, ahead=AHEAD)
    admitting = admitting_of(plan, settings.admitting, worker, measures)
    ways, entrance = None if reads is None else reads.begin(loop, measures), admitting.entrance
    facade = facade_of(
        plan, settings, fault_points, measures=measures, database=database, health=health, reads=ways, entrance=entrance
    )
    expiry = loop.create_task(Expiry(database, measures, settings.expire_every_s).run())
    allowed_s = settings.client_timeout_s
    patience = Patience(head_s=allowed_s, body_s=allowed_s, answer_s=allowed_s)
    clients = Clients(
        loop,
        patience,
        partial(converse, answers=facade),
        most=_most_clients(settings),
        on_use=partial(measures.use, Bounded.CLIENTS),
        on_evicted=measures.evicted,
    )
    probes = Clients(loop, patience, partial(converse, answers=health), most=PROBES)
    await admitting.begin()
    servers = [
        await loop.create_server(behind.link, sock=each, backlog=BACKLOG)
        for behind, each in zip((clients, probes), sockets, strict=False)
    ]
    await told.wait()
    for server in servers:
        server.close()
    await probes.close(0.0)
    if not await clients.close(GRACE_S):
        logger.warning("requests_cut_off")
    expiry.cancel()
    if reads is not None:
        await reads.end()
    if not await database.close(CLOSE_S):
        logger.warning("database_cut_off")
    await admitting.end()


def _measures_of(plan: Plan, settings: FacadeSettings) -> SharedMeasures:
    limits = {
        Bounded.CLIENTS: settings.clients,
        Bounded.THREADS: settings.threads,
        Bounded.UPSTREAM: settings.connections,
        Bounded.DATABASE: settings.database_connections,
    }
    routes, steps = [route.target for route in plan.routes], [step.name for step in plan.steps]
    classes = [] if plan.admission is None else [one.name for one in plan.admission.classes]
    return SharedMeasures(
        routes,
        steps,
        settings.workers,
        limits,
        classes=classes,
        consumers=[one.name for one in settings.lag.contexts],
        modes=[one.name for one in plan.modes],
        reads=[read.name for read in plan.reads],
    )


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise RefusedError(
            f"cannot listen on {host}:{port}: {error.strerror}; stop what is there, or give another port"
        ) from error


def _most_clients(settings: FacadeSettings) -> int:
    """As many as are set, if there are descriptors for them: of these the process asks for as many as it may have."""
    to_others = CONNECTIONS * len(settings.candidates)
    others = 2 * settings.connections + to_others + settings.database_connections + DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = settings.clients + others if hard == resource.RLIM_INFINITY else min(hard, settings.clients + others)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return min(settings.clients, max(PROBES, max(soft, most) - others))


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's where it is installed: the extra `fast`."""
    try:
        loops = import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop
    made: Callable[[], asyncio.AbstractEventLoop] = loops.new_event_loop
    return made
