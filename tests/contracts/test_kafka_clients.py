"""Every client says that no broker answers, with the address and the next step."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from outbox.errors import DependencyDown
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader

CLIENTS: dict[str, Callable[[str], object]] = {
    "admin": PythonAdmin,
    "consumer": lambda address: PythonConsumer(address, group="nobody"),
    "producer": PythonProducer,
    "reader": PythonReader,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_start_without_a_broker_is_refused(client: str) -> None:
    with pytest.raises(DependencyDown, match=r"no Kafka at 127\.0\.0\.1:1: .*; is it up,"):
        CLIENTS[client]("127.0.0.1:1")
