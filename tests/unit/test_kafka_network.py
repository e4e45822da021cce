"""A closed Kafka client leaves no socket and no thread behind, whatever it was doing."""

from __future__ import annotations

import gc
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from outbox.errors import DependencyDown
from outbox.kafka import python_network
from outbox.kafka.port import Reader
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_network import Network
from outbox.kafka.python_reader import PythonReader


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a broker that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("rounds", [0, 1, 2], ids="after {} rounds of its loop".format)
def test_a_connection_that_is_being_made_is_closed_with_its_network(silent: str, rounds: int) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        network = Network(bootstrap_servers=[silent])
        network._manager.get_connection(network.cluster.bootstrap_brokers()[0].node_id)
        for _ in range(rounds):
            network.poll(timeout_ms=0)
        network.close()
        network.close()
        del network
        gc.collect()
    assert [str(one.message) for one in warned] == []


@pytest.mark.parametrize("make", [PythonReader, lambda at: PythonConsumer(at, group="g")], ids=["reader", "consumer"])
def test_a_client_that_cannot_start_leaves_no_thread(
    silent: str, make: Callable[[str], Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_network, "BOOTSTRAP_TIMEOUT_MS", 300)
    before = set(threading.enumerate())
    with pytest.raises(DependencyDown):
        make(silent)
    assert set(threading.enumerate()) - before == set()
