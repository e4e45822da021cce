"""A consumer as a process of a long run, forked from a server that has imported everything: it costs no start.

It is given orders: `{"stop_at": "consumer.handled:3"}` begins, `{"freeze": 2}` makes the client forget partition 2.
The end of its orders is the end of the process: no orphan outlives the harness.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from outbox.connection import PsycopgConnection
from outbox.consumer import Bound, ConsumerRuntime, Disposition, RuntimeSettings
from outbox.event import ReceivedEvent
from outbox.fault_points import FaultPoints
from outbox.kafka.port import GroupMember, GroupTiming, TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_reader import PythonReader
from tests.integration.consumer_rig import RETRY, connect_to, write_effects
from tests.support.forgetting import never_fetched_again

# Small figures: runs of a few records, a bound that pauses all the time, members that are missed soon.
CHAOS = RuntimeSettings(
    lanes=4,
    workers=2,
    run_records=3,
    fetch_records=8,
    bound=Bound(records=12),
    reassign_s=0.1,
    grace_s=0.3,
    drain_s=3.0,
    commit_s=0.2,
    transaction_idle_s=1.0,
    retry=RETRY,
    defer_s=0.05,
)
TIMING = GroupTiming(session_s=1.5, heartbeat_s=0.3)
# As it comes, but for the lanes: four workers that sleep 2 ms an event, and every fifth run fails.
OVERLOAD = RuntimeSettings(lanes=4)
WORK_S, FAILING = 0.002, 0.2


def overloaded(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
    time.sleep(WORK_S * len(events))
    dispositions = write_effects(connection, events)
    if random.random() < FAILING:
        raise ConnectionError("the vendor does not answer")
    return dispositions


def main(orders: Connection, log: Path, environ: Mapping[str, str]) -> None:
    with log.open("ab") as output:
        os.dup2(output.fileno(), sys.stderr.fileno())
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("outbox.consumer").setLevel(logging.INFO)
    order = orders.recv()
    name, _, arrival = order.get("stop_at", "").partition(":")
    calm = "overload" in order
    consumer = PythonConsumer(
        environ["KAFKA_BOOTSTRAP"], group=environ["GROUP"], timing=GroupTiming() if calm else TIMING
    )
    with closing(PythonAdmin(environ["KAFKA_BOOTSTRAP"])) as admin:
        runtime = ConsumerRuntime(
            consumer=consumer,
            admin=admin,
            connect=lambda: connect_to(environ["STRANGLER_DSN"]),
            group=environ["GROUP"],
            topics=[environ["TOPIC"]],
            handler=overloaded if calm else write_effects,
            settings=OVERLOAD if calm else CHAOS,
            reader=lambda: PythonReader(environ["KAFKA_BOOTSTRAP"]),
            fault_points=FaultPoints(name or None, int(arrival or 1)),
        )
        signal.signal(signal.SIGTERM, lambda *_: runtime.stop())
        threading.Thread(target=listen, args=(orders, consumer, environ["TOPIC"]), daemon=True).start()
        runtime.run()


def listen(orders: Connection, consumer: GroupMember, topic: str) -> None:
    """Further orders."""
    try:
        while True:
            order: dict[str, Any] = orders.recv()
            never_fetched_again(consumer, TopicPartition(topic, order["freeze"]))
    except EOFError:
        os._exit(3)
