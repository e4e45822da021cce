"""Runs a service, or what else consumes: settings, signals, connections and threads are here and nowhere else."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from outbox.catalogue import Sample
from outbox.connection import PsycopgConnection
from outbox.consumer import (
    ConsumerRuntime,
    Disposition,
    Expiry,
    Handler,
    Metric,
    Observe,
    RuntimeSettings,
    Shedding,
    VersionProgress,
    rarely_collected,
)
from outbox.consumer.first_contact import first_contact
from outbox.consumer.gauges import measured
from outbox.consumer.give_way import GiveWay
from outbox.installation import Installation
from outbox.kafka.port import Admin
from outbox.kafka.port import GroupMember as Member
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_reader import PythonReader
from outbox.metrics import Counters, served
from outbox.schema import Part, behind
from outbox.telemetry import log_to_stderr
from strangler.errors import RefusedError
from strangler.service.settings import RunSettings
from strangler.step.effect_catalogue import CATALOGUE

logger = logging.getLogger(__name__)

STOPS = (signal.SIGTERM, signal.SIGINT)
ENDED_WITHIN_S = 30.0  # a vendor's call under way ends by its own timeout, which may be longer
STILL_CALLS = "a call under way has not ended, the process ends with it; killed now, it is asked again by its key"


class BackgroundWorker(Protocol):
    """What works in a thread beside a consumer: `run` blocks until `stop`, `wake` says that there may be more to do."""

    def run(self) -> None: ...
    def wake(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Consuming:
    """A consumer, complete but for its addresses. `wakes`: the dispositions after which the worker has more to do.

    `parts`: the tables in its schema that must be up to date before it starts. `feeds`: whom it gives way to. `gauges`:
    what else is told to whoever asks for metrics.
    """

    name: str
    group: str
    schema: str
    topics: tuple[str, ...]
    parts: tuple[Part, ...]
    handler: Handler
    settings: RuntimeSettings
    expiry: Expiry | None = None
    progress: VersionProgress | None = None
    shedding: Shedding = field(default_factory=Shedding)
    wakes: frozenset[Disposition] = frozenset(Disposition)
    feeds: Sequence[GiveWay] = ()
    gauges: Callable[[], Iterable[Sample]] = tuple


def consume(
    consuming: Consuming,
    settings: RunSettings,
    make_worker: Callable[[Observe], BackgroundWorker | None] = lambda _: None,
) -> None:
    """Consume until SIGTERM or SIGINT; says `ready NAME` on stdout once it has partitions.

    Kafka is waited for, at the start too. The worker that is made runs beside it; if either dies, both end, and what
    went wrong is raised. `RefusedError` where the schema is behind.
    """
    log_to_stderr()
    with settings.connect(consuming.schema) as connection:
        require_tables(connection, consuming)
        ours = Installation.of(connection, settings.other_sources, settings.group_prefix)
    counters = Counters({"context": consuming.name}, CATALOGUE)
    counters.source(consuming.gauges)
    worker = make_worker(counters)
    stopping = _told_to_stop()
    with served(counters, settings.metrics):
        met = _met(consuming, settings, ours, stopping, counters)
        if met is None:
            return
        with closing(met[0]), closing(met[1]):
            signals = Signals(consuming, worker, counters)
            runtime = _runtime(consuming, settings, ours, *met, signals=signals)
            ending = _Ending(runtime, worker)
            for number in STOPS:
                signal.signal(number, lambda *_: ending.stop())
            if stopping.is_set():  # while it was being made
                ending.stop()
            with rarely_collected(), _measured(consuming, settings, signals, runtime), _beside(worker, ending):
                runtime.run()


class Signals:
    """The runtime's counts as signals: partitions are there, and something was committed. Called from many threads."""

    def __init__(self, consuming: Consuming, worker: BackgroundWorker | None, counters: Counters) -> None:
        self._name, self._wakes = consuming.name, consuming.wakes
        self._worker, self._counters = worker, counters
        self._ready, self._lock = False, threading.Lock()

    def __call__(self, name: str, value: int, **labels: str) -> None:
        self._counters(name, value, **labels)
        if name == Metric.ASSIGNED:
            self._say_ready()
        elif name == Metric.DISPOSITION:
            logger.debug("events_handled", extra={"count": value, **labels})
            if self._worker is not None and labels.get("disposition") in self._wakes:
                self._worker.wake()

    def time(self, name: str, seconds: Sequence[float], **labels: str) -> None:
        self._counters.time(name, seconds, **labels)

    def source(self, read: Callable[[], Iterable[Sample]]) -> Callable[[], None]:
        return self._counters.source(read)

    def _say_ready(self) -> None:
        with self._lock:
            first, self._ready = not self._ready, True
        if first:
            sys.stdout.write(f"ready {self._name}\n")
            sys.stdout.flush()


def require_tables(connection: PsycopgConnection, consuming: Consuming) -> None:
    """`RefusedError` names what is behind, and the command that brings it up to date. Reads only.

    Tables of a newer release are taken: a rolling release migrates first.
    """
    missing = {part.name: len(behind(connection, part, consuming.schema)) for part in consuming.parts}
    said = ", ".join(f"{part} ({count} revisions)" for part, count in missing.items() if count)
    if said:
        raise RefusedError(f"refused: schema {consuming.schema!r} is behind: {said}; run `strangler migrate` first")


def _told_to_stop() -> threading.Event:
    """Set by a signal."""
    stopping = threading.Event()
    for number in STOPS:
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _met(
    consuming: Consuming, settings: RunSettings, ours: Installation, stopping: threading.Event, observe: Observe
) -> tuple[Admin, Member] | None:
    def member() -> Member:
        group = ours.kafka_group(consuming.group)
        return PythonConsumer(settings.kafka, group=group, timing=settings.timing, client_id=consuming.name)

    return first_contact(
        lambda: PythonAdmin(settings.kafka, client_id=consuming.name), member, stopping=stopping, observe=observe
    )


def _runtime(
    consuming: Consuming, settings: RunSettings, ours: Installation, admin: Admin, member: Member, *, signals: Signals
) -> ConsumerRuntime:
    return ConsumerRuntime(
        consumer=member,
        admin=admin,
        connect=lambda: settings.connect(consuming.schema),
        group=settings.group(consuming.group),
        topics=settings.topics(consuming.topics),
        handler=consuming.handler,
        settings=consuming.settings,
        fault_points=settings.fault_points,
        observe=signals,
        reader=lambda: PythonReader(settings.kafka, client_id=f"{consuming.name}-release"),
        sources=ours.sources,
        expiry=consuming.expiry,
        progress=consuming.progress,
        shedding=consuming.shedding,
        feeds=consuming.feeds,
    )


def _measured(
    consuming: Consuming, settings: RunSettings, signals: Signals, runtime: ConsumerRuntime
) -> AbstractContextManager[None]:
    return measured(
        signals,
        runtime,
        group=settings.group(consuming.group),
        topics=settings.topics(consuming.topics),
        connect=lambda: settings.connect(consuming.schema),
        make_admin=lambda: PythonAdmin(settings.kafka, client_id=f"{consuming.name}-lag"),
        make_reader=lambda: PythonReader(settings.kafka, client_id=f"{consuming.name}-lag"),
    )


class _Ending:
    """One `stop` for the consumer and the worker beside it: neither waits for the other's end before it begins its own.

    From a signal handler, too. Once: a second signal meets no lock that the first one's handling holds.
    """

    def __init__(self, runtime: ConsumerRuntime, worker: BackgroundWorker | None) -> None:
        self._runtime, self._worker = runtime, worker
        self._asked = False

    def stop(self) -> None:
        if self._asked:
            return
        self._asked = True
        self._runtime.stop()
        if self._worker is not None:
            self._worker.stop()


@contextmanager
def _beside(worker: BackgroundWorker | None, ending: _Ending) -> Iterator[None]:
    """The worker beside the runtime, in a thread."""
    if worker is None:
        yield
        return
    died: list[BaseException] = []
    thread = threading.Thread(target=_work, args=(worker, ending, died), name="worker")
    thread.start()
    try:
        yield
    finally:
        ending.stop()
        thread.join(ENDED_WITHIN_S)
        if thread.is_alive():
            logger.warning("worker_not_ended", extra={"waited_s": ENDED_WITHIN_S, "detail": STILL_CALLS})
    if died:
        raise died[0]


def _work(worker: BackgroundWorker, ending: _Ending, died: list[BaseException]) -> None:
    """A worker that dies takes the process along: its work must not pile up behind a healthy look."""
    try:
        worker.run()
    except Exception as error:  # the thread's edge
        logger.exception("worker_died")
        died.append(error)
        ending.stop()
