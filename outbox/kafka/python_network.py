"""kafka-python's network, closed with all that hangs on it.

Left to itself it keeps sockets and a thread when a client cannot start, and sockets of connections that are being made,
or have something left to write, when one is closed. A process that tries again and again would collect them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from kafka.net.compat import KafkaNetClient

# kafka-python's own keyword arguments, passed through untouched.
MakeNetwork: TypeAlias = "Callable[..., Any]"


class Network(KafkaNetClient):  # type: ignore[misc] # kafka-python has no types
    """Give it to a client as `kafka_client`."""

    def close(self, node_id: object = None) -> None:
        """Repeatable. Without `node_id`, the thread has ended and every socket is closed on the return."""
        if node_id is not None or self._net._closed:
            super().close(node_id)
            return
        self._manager.close()
        self._net.stop()
        self._net.drain()  # what is about to begin opens its socket now, not while the rest is being closed
        watched = [key.fileobj for key in self._net._selector.get_map().values()]
        self._net.close()
        for one in watched:
            one.close()


@contextmanager
def network_closed_on_failure() -> Iterator[MakeNetwork]:
    """Give what comes of it to the client as `kafka_client`; an error inside closes the network under it."""
    made: list[Network] = []

    def make(**config: object) -> Network:
        made.append(Network(**config))
        return made[-1]

    try:
        yield make
    except BaseException:
        for network in made:
            network.close()
        raise
