"""One setting chooses the Kafka client of the consumers; a client that is not there is named with its fix."""

from __future__ import annotations

import sys

import pytest

from outbox.errors import ConfigurationError
from outbox.kafka.client import Client, client_of, consumer_class


@pytest.mark.parametrize(
    ("environ", "client"),
    [
        ({}, Client.PYTHON),
        ({"OUTBOX_KAFKA_CLIENT": ""}, Client.PYTHON),
        ({"OUTBOX_KAFKA_CLIENT": "python"}, Client.PYTHON),
        ({"OUTBOX_KAFKA_CLIENT": "fast"}, Client.FAST),
    ],
)
def test_kafka_python_is_the_default(environ: dict[str, str], client: Client) -> None:
    assert client_of(environ) is client


def test_another_client_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="OUTBOX_KAFKA_CLIENT is 'quick'; it must be one of python, fast"):
        client_of({"OUTBOX_KAFKA_CLIENT": "quick"})


def test_each_client_is_found_by_its_name() -> None:
    assert {client: getattr(consumer_class(client), "__name__", "") for client in Client} == {
        Client.PYTHON: "PythonConsumer",
        Client.FAST: "ConfluentConsumer",
    }


def test_without_the_extra_the_fast_client_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("outbox.kafka.confluent")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)  # as if it were not installed
    with pytest.raises(ConfigurationError, match=r"pip install 'strangler-toolkit\[fast\]'"):
        consumer_class(Client.FAST)
    assert consumer_class(Client.PYTHON).__name__ == "PythonConsumer"  # type: ignore[attr-defined] # it is a class
