"""Puts the resumer together and runs it: a consumer of outcomes, and the runner beside it."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import sessionmaker

from legacy_app.pausing import MIDDLE
from legacy_app.rest import Rest
from legacy_app.resume.outcomes import StoreOutcomes
from legacy_app.resume.runner import PatientVendors, Runner, RunnerSettings
from outbox import KafkaSettings
from outbox.connection import PsycopgConnection
from outbox.consumer import ConsumerRuntime, Metric, rarely_collected
from outbox.fault_points import FaultPoints
from outbox.installation import Installation, sources_in
from outbox.kafka.port import Admin, GroupTiming
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_reader import PythonReader
from outbox.telemetry import log_to_stderr
from strangler.errors import BadInput

logger = logging.getLogger(__name__)

NAME = "resume"
GROUP = "legacy"
SCHEMA = "resume"
SESSION_S, HEARTBEAT_S = 10.0, 2.0
ENDED_WITHIN_S = 30.0
LIMITS = "-c lock_timeout=10s -c statement_timeout=30s -c idle_in_transaction_session_timeout=30s"


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and names, from the environment."""

    dsn: str
    kafka: KafkaSettings
    vendors_url: str
    topic_prefix: str
    group_prefix: str
    timing: GroupTiming
    fault_points: FaultPoints
    other_sources: frozenset[str] = frozenset()


def read_settings(environ: Mapping[str, str]) -> Settings:
    """`BadInput` names every variable that is missing."""
    missing = [name for name in ("STRANGLER_DSN", "KAFKA_BOOTSTRAP", "VENDORS_URL") if not environ.get(name)]
    if missing:
        raise BadInput(f"not set: {', '.join(missing)}; `strangler up` prints them")
    rest_ms = environ.get("OUTBOX_POLL_REST_MS", "0")
    if not rest_ms.isdecimal() or int(rest_ms) > 1000:
        raise BadInput(f"OUTBOX_POLL_REST_MS is {rest_ms!r}; it must be a number from 0 to 1000")
    return Settings(
        dsn=environ["STRANGLER_DSN"],
        kafka=KafkaSettings.from_environ(environ),
        vendors_url=environ["VENDORS_URL"],
        topic_prefix=environ.get("OUTBOX_TOPIC_PREFIX", "outbox.event."),
        group_prefix=environ.get("OUTBOX_GROUP_PREFIX", ""),
        timing=GroupTiming(SESSION_S, HEARTBEAT_S, rest_s=int(rest_ms) / 1000),
        fault_points=FaultPoints.from_environ(environ),
        other_sources=sources_in(environ),
    )


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; says `ready resume` on stdout once it has partitions."""
    log_to_stderr()
    runner = runner_of(settings)
    with closing(PythonAdmin(settings.kafka, client_id=NAME)) as admin:
        runtime = runtime_of(settings, admin, Signals(runner))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: runtime.stop())
        with rarely_collected(), _beside(runner, runtime):
            runtime.run()


class Signals:
    """The runtime's counts as signals: partitions are there, and something was stored. Called from many threads."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._ready, self._lock = False, threading.Lock()

    def __call__(self, name: str, value: int, **labels: str) -> None:  # noqa: ARG002 - the runtime's signature
        if name == Metric.ASSIGNED:
            self._say_ready()
        elif name == Metric.DISPOSITION:
            self._runner.wake()

    def _say_ready(self) -> None:
        with self._lock:
            first, self._ready = not self._ready, True
        if first:
            sys.stdout.write(f"ready {NAME}\n")
            sys.stdout.flush()


def runtime_of(settings: Settings, admin: Admin, signals: Signals) -> ConsumerRuntime:
    with connect(settings.dsn) as connection:
        ours = Installation.of(connection, settings.other_sources, settings.group_prefix)
    return ConsumerRuntime(
        consumer=PythonConsumer(settings.kafka, group=ours.kafka_group(GROUP), timing=settings.timing, client_id=NAME),
        admin=admin,
        connect=lambda: connect(settings.dsn),
        group=settings.group_prefix + GROUP,
        topics=[settings.topic_prefix + step for step in MIDDLE],
        handler=StoreOutcomes(settings.fault_points),
        fault_points=settings.fault_points,
        observe=signals,
        reader=lambda: PythonReader(settings.kafka, client_id=NAME),
        sources=ours.sources,
    )


def runner_of(settings: Settings) -> Runner:
    chosen = RunnerSettings()
    rest = Rest(sessionmaker(_engine(settings.dsn, chosen.threads), expire_on_commit=False), settings.fault_points)
    return Runner(
        connect=lambda: connect(settings.dsn, autocommit=True),
        rest=rest,
        make_vendors=lambda: PatientVendors(settings.vendors_url),
        settings=chosen,
    )


def connect(dsn: str, *, autocommit: bool = False) -> PsycopgConnection:
    """A connection in which the resumer's tables need no schema name; no wait is without end."""
    options = f"-c search_path={SCHEMA} {LIMITS}"
    return psycopg.connect(dsn, options=options, connect_timeout=10, application_name=NAME, autocommit=autocommit)


def _engine(dsn: str, connections: int) -> Engine:
    def opened() -> PsycopgConnection:
        return psycopg.connect(dsn, options=LIMITS, connect_timeout=10, application_name=NAME)

    return create_engine(
        "postgresql+psycopg://", creator=opened, pool_size=connections, max_overflow=0, pool_pre_ping=True
    )


@contextmanager
def _beside(runner: Runner, runtime: ConsumerRuntime) -> Iterator[None]:
    thread = threading.Thread(target=_go_on, args=(runner, runtime), name="runner")
    thread.start()
    try:
        yield
    finally:
        runner.stop()
        thread.join(ENDED_WITHIN_S)


def _go_on(runner: Runner, runtime: ConsumerRuntime) -> None:
    """A runner that dies takes the process along: pending orders must not pile up behind a healthy look."""
    try:
        runner.run()
    except Exception:  # the thread's edge
        logger.exception("runner_died")
        runtime.stop()
