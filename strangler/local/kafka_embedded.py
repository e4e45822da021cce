"""The embedded Kafka: the one binary of the `noida-db` wheel. For the demo and quick tests, see decision 0002."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path

from strangler.errors import DependencyDown
from strangler.local.kafka_probe import kafka_answers
from strangler.local.ports import Ports
from strangler.local.process import Running
from strangler.local.spawner import Command, Spawner


def find_binary() -> Path:
    """The server inside the wheel; its Python command is not used: it has no life beyond the binary's."""
    spec = importlib.util.find_spec("noida_db")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "noida-db"
        if binary.is_file():
            return binary
    raise DependencyDown("no embedded Kafka; pip install 'strangler-toolkit[local]', or --kafka apache")


def embedded_kafka(folder: Path, ports: Ports, spawner: Spawner) -> Running:
    """Not yet started. Closed by SIGTERM, also when we die: it writes acknowledged records late."""
    port = ports.take()
    argv = (str(find_binary()), "start", "--only", "kafka", "--kafka-port", str(port))
    where = ("--data-dir", str(folder / "kafka-embedded"), "--host", "127.0.0.1")
    command = Command(argv + where, folder / "logs" / "kafka.log", death_signal=signal.SIGTERM)
    return Running("kafka", command, spawner, port=port, ready=lambda _: kafka_answers(f"127.0.0.1:{port}"))
