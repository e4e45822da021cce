"""A consumer as a process, to be stopped at a named point and killed. Addresses and names come by environment."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import closing

from outbox.consumer import ConsumerRuntime, RuntimeSettings
from outbox.fault_points import FaultPoints
from outbox.kafka.port import GroupTiming
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_reader import PythonReader
from tests.integration.consumer_rig import connect_to, write_effects

SETTINGS = RuntimeSettings(lanes=4, workers=2, run_records=3, reassign_s=0.2, transaction_idle_s=1.0)


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    environ = os.environ
    with closing(PythonAdmin(environ["KAFKA_BOOTSTRAP"])) as admin:
        runtime = ConsumerRuntime(
            consumer=PythonConsumer(
                environ["KAFKA_BOOTSTRAP"],
                group=environ["MEMBER_GROUP"],
                timing=GroupTiming(session_s=6.0, heartbeat_s=0.5),
            ),
            admin=admin,
            connect=lambda: connect_to(environ["STRANGLER_DSN"]),
            group=environ["GROUP"],
            topics=[environ["TOPIC"]],
            handler=write_effects,
            settings=SETTINGS,
            reader=lambda: PythonReader(environ["KAFKA_BOOTSTRAP"]),
            fault_points=FaultPoints.from_environ(environ),
        )
        signal.signal(signal.SIGTERM, lambda *_: runtime.stop())
        runtime.run()


if __name__ == "__main__":
    main()
