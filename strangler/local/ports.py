"""Free TCP ports on loopback, below the range the kernel hands out for outgoing connections."""

from __future__ import annotations

import random
import socket
import threading

from strangler.errors import DependencyDown

# Linux gives outgoing connections 32768 and up: a port from there may be taken between the look and the bind, and
# the embedded Kafka refuses them. Below 20000 live well-known services.
LOWEST = 20_000
HIGHEST = 32_000
TRIES = 200


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """True if nothing listens there now. Another process may take it the moment after."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


class Ports:
    """Hands out free ports, none twice. Safe for threads."""

    def __init__(self, rng: random.Random | None = None) -> None:
        # Random, not counted up: stacks of several checkouts start side by side on one machine.
        self._rng = rng or random.SystemRandom()
        self._given: set[int] = set()
        self._lock = threading.Lock()

    def take(self) -> int:
        with self._lock:
            for _ in range(TRIES):
                port = self._rng.randrange(LOWEST, HIGHEST)
                if port not in self._given and is_free(port):
                    self._given.add(port)
                    return port
        raise DependencyDown(f"no free port on 127.0.0.1 in {LOWEST}-{HIGHEST} after {TRIES} tries; stop other servers")
