"""kafka-python leaves sockets and a thread behind when a client cannot start; one that retries would collect them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from kafka.net.compat import KafkaNetClient

# kafka-python's own keyword arguments, passed through untouched.
MakeNetwork: TypeAlias = "Callable[..., Any]"


@contextmanager
def network_closed_on_failure() -> Iterator[MakeNetwork]:
    """Give what comes of it to the client as `kafka_client`; an error inside closes the network under it."""
    made: list[KafkaNetClient] = []

    def make(**config: object) -> KafkaNetClient:
        made.append(KafkaNetClient(**config))
        return made[-1]

    try:
        yield make
    except BaseException:
        for network in made:
            network.close()
        raise
