"""`strangler facade`: serve in front of the application until SIGTERM."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace

from outbox import flags
from outbox.fault_points import FaultPoints
from outbox.metrics import address_of
from outbox.telemetry import log_to_stderr
from strangler.addresses import Addresses
from strangler.admission.declared import FoundSlots
from strangler.cli.common import Invocation
from strangler.cli.stages import basis_points
from strangler.errors import BadInput
from strangler.facade import server
from strangler.facade.expiry import EVERY_S
from strangler.facade.lag_watch import lag_places
from strangler.facade.loop_upstream import UpstreamSettings
from strangler.facade.server import FacadeSettings
from strangler.plan import Plan

METRICS = "OUTBOX_METRICS_ADDRESS=host:port serves all workers' metrics there, at /metrics, for Prometheus."


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "facade", help="serve in front of the application: claim, pin, forward", epilog=METRICS
    )
    parser.add_argument("--port", type=flags.port, help="default FACADE_PORT, else 8080")
    parser.add_argument("--host", default="127.0.0.1", help="default loopback only")
    parser.add_argument(
        "--workers", type=flags.whole(1, 1_000), default=1, help="processes, about one per core (default 1)"
    )
    _how_many(parser)
    parser.add_argument(
        "--upstream",
        metavar="URL",
        help="the application: http(s)://HOST:PORT, perhaps with /BASE (default LEGACY_URL)",
    )
    parser.add_argument(
        "--upstream-ca-file",
        metavar="FILE",
        help="PEM: who may sign its certificate (default LEGACY_CA_FILE, else whom the system trusts)",
    )
    parser.add_argument(
        "--read-timeout-s", type=flags.seconds(0.001), default=30.0, help="per wait for the application (default 30)"
    )
    parser.add_argument(
        "--answer-timeout-s",
        type=flags.seconds(0.001),
        help="for the whole answer to an owned request; for 5 s longer a repeat is told that it is under way "
        "(default: --read-timeout-s)",
    )
    parser.add_argument(
        "--client-timeout-s",
        type=flags.seconds(0.001),
        default=30.0,
        help="for a request's head, for its body (and a second more for each 500 bytes), and per wait while a client "
        "takes its answer (default 30)",
    )
    parser.add_argument(
        "--body-limit-bytes", type=flags.count, default=1024 * 1024, help="of owned routes (default 1 MiB)"
    )
    parser.add_argument(
        "--expire-every-s",
        type=flags.seconds(0.001),
        default=EVERY_S,
        help="how often to forget keys whose day is over (default 60)",
    )
    _who_may_come(parser)
    parser.set_defaults(run=run)


def _how_many(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=flags.whole(1, 10_000),
        default=8,
        help="for the plan's functions that name callers, which may block, and for large bodies; per process "
        "(default 8)",
    )
    parser.add_argument(
        "--connections",
        type=flags.whole(1, 100_000),
        default=256,
        help="to the application at once, per process (default 256)",
    )
    parser.add_argument(
        "--clients",
        type=flags.whole(1, 1_000_000),
        default=10_000,
        help="connections of clients at once, per process; then the oldest that only waits makes room (default 10000)",
    )
    parser.add_argument(
        "--health-port", type=flags.port, help="answers /-/healthz, also when --clients is reached (default: none)"
    )


def _who_may_come(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--admission",
        type=basis_points,
        default=0,
        help="the share of requests that the plan's admission decides about; the others are let in (default 0%%)",
    )


def run(invocation: Invocation) -> int:
    """Does not return before it is told to stop."""
    plan = invocation.plan(services=False)
    settings = _settings(invocation)
    if plan.subject.internal_look_up and settings.internal_token is None:
        raise BadInput(
            "STRANGLER_INTERNAL_TOKEN must be set: lost answers are looked up at the toolkit's own route in the "
            "application; set the application's, or give Subject(path=...) a route of its own"
        )
    _check_admission(plan, settings)
    if settings.admission_bp:
        settings = replace(settings, lag=lag_places(plan, Addresses(invocation.environ)))
    way = UpstreamSettings(settings.upstream, settings.upstream_ca_file)
    way.address()
    way.base()
    way.tls()
    settings = replace(settings, candidates=_candidates(plan, invocation.environ))
    invocation.talk(
        f"facade on http://{settings.host}:{settings.port} in front of {settings.upstream}; SIGTERM stops it"
    )
    log_to_stderr()
    server.run(plan, settings, FaultPoints.from_environ(invocation.environ))
    return 0


def _check_admission(plan: Plan, settings: FacadeSettings) -> None:
    if not settings.admission_bp:
        return
    if plan.admission is None:
        raise BadInput(
            f"--admission is given and plan {plan.name!r} has none; declare it: docs/reference/admission.md#in-the-plan"
        )
    if isinstance(plan.admission.slots, FoundSlots) and settings.workers > 1:
        raise BadInput(
            f"the plan's admission finds its slots, and of {settings.workers} workers each would find what the others "
            "leave; give --workers 1, or say how many slots there are"
        )
    if plan.admission.most_slots < settings.workers:
        raise BadInput(
            f"the plan's admission has {plan.admission.slots} slots for {settings.workers} workers, which share them; "
            "give fewer --workers or more slots"
        )


def _candidates(plan: Plan, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The addresses of who takes over reads, from the variables that the plan names."""
    found = {}
    for read in plan.reads:
        found[read.name] = environ.get(read.url, "")
        if not found[read.name]:
            raise BadInput(
                f"{read.url} is not set: plan {plan.name!r} names it for read {read.name!r}; set http://HOST:PORT"
            )
        way = UpstreamSettings(found[read.name], variable=read.url)
        way.address()
        way.base()
    return found


def _settings(invocation: Invocation) -> FacadeSettings:
    args, environ = invocation.args, invocation.environ
    upstream = args.upstream or environ.get("LEGACY_URL")
    if not upstream:
        raise BadInput("no application to stand in front of; give --upstream http://HOST:PORT or set LEGACY_URL")
    return FacadeSettings(
        dsn=invocation.settings.required_dsn(),
        upstream=upstream,
        upstream_ca_file=args.upstream_ca_file or environ.get("LEGACY_CA_FILE") or None,
        port=args.port if args.port is not None else _port(environ.get("FACADE_PORT", "8080")),
        host=args.host,
        workers=args.workers,
        threads=args.threads,
        clients=args.clients,
        connections=args.connections,
        client_timeout_s=args.client_timeout_s,
        health_port=args.health_port,
        read_timeout_s=args.read_timeout_s,
        answer_timeout_s=args.answer_timeout_s or args.read_timeout_s,
        body_limit_bytes=args.body_limit_bytes,
        internal_token=invocation.settings.internal_token,
        metrics=address_of(environ),
        expire_every_s=args.expire_every_s,
        admission_bp=args.admission,
    )


def _port(text: str) -> int:
    try:
        return flags.port(text)
    except argparse.ArgumentTypeError as error:
        raise BadInput(f"FACADE_PORT must be a port number: {error}") from None
