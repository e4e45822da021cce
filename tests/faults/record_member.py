"""The process under test: one consumer, made of what a program has, with its log and its metrics page."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg

from outbox import Consumer, Policy
from outbox.connection import PsycopgConnection
from outbox.consumer import Handler, InParallel
from outbox.consumer.report import ignore
from outbox.kafka import compression
from outbox.metrics import Counters, served
from outbox.policy import Quarantine, Retry
from outbox.telemetry import log_to_stderr
from tests.faults.record_case import Case, Plant
from tests.faults.record_handler import Attempts, Handling
from tests.support.kafka.compressing import CODECS

HANDS = 4
QUICK = Retry(base_s=0.02, cap_s=0.5, budget_floor_per_s=1_000.0)
NO_FLOOD = Quarantine(ratio=1.0, consecutive=100_000)


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is told; `case` is without its records.

    `mended`: its handler is healthy, it reads every codec, and its quarantine takes any number.
    """

    case: Case
    dsn: str
    bootstrap: str
    group: str
    metrics: tuple[str, int]
    attempts: Path
    sources: tuple[str, ...]
    mended: bool
    stop_at: str


def main(order: Order, log: Path, alive: Connection) -> None:
    """In the child; ends with its parent, also where that is killed."""
    with log.open("ab") as output:
        os.dup2(output.fileno(), sys.stderr.fileno())
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    os.environ["OUTBOX_STOP_AT"] = order.stop_at
    log_to_stderr()
    plant = None if order.mended else order.case.plant
    if plant is Plant.SILENT_LOG:
        logging.disable()
    if not order.mended and order.case.lacks:
        compression.DECODERS = _without(CODECS[order.case.lacks])
    counters = Counters({"group": order.group})
    consumer = Consumer(
        topics=["order"],
        group=order.group,
        handler=_handler(order, plant),
        dsn=order.dsn,
        bootstrap=order.bootstrap,
        policy=_policy(order),
        observe=ignore if plant is Plant.SILENT_METRIC else counters,
        lanes=order.case.lanes,
        prefix=f"{order.group}.",
        sources=order.sources,
    )
    signal.signal(signal.SIGTERM, signal.SIG_IGN if plant is Plant.DEAF else lambda *_: consumer.stop())
    with served(counters, order.metrics):
        consumer.run()


def _policy(order: Order) -> Policy:
    retry = Retry() if order.case.calm and not order.mended else QUICK
    quarantine = Quarantine() if order.case.flood and not order.mended else NO_FLOOD
    return Policy.lossless(3_600, "the position", retry=retry, quarantine=quarantine)


def _handler(order: Order, plant: Plant | None) -> Handler | InParallel:
    handling = Handling(Attempts(order.attempts), order.mended, plant)
    if not order.case.parallel:
        return handling

    def connect() -> PsycopgConnection:
        return psycopg.connect(order.dsn, options=f"-csearch_path={order.group}")

    return InParallel(lambda one: handling.work(connect, one), hands=HANDS)


def _without(codec: int) -> Mapping[int, Callable[[bytes], bytes]]:
    return {number: decoder for number, decoder in compression.DECODERS.items() if number != codec}


def _end_with(alive: Connection) -> None:
    with suppress(EOFError, OSError):
        alive.recv()
    os._exit(3)
