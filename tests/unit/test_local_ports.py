"""Free ports: none twice, none that is taken, none from the kernel's own range."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

import pytest

from strangler.errors import DependencyDown
from strangler.local.ports import HIGHEST, LOWEST, Ports, is_free


def test_ports_are_different_and_in_range() -> None:
    ports = Ports()
    taken = [ports.take() for _ in range(20)]
    assert len(set(taken)) == 20
    assert all(LOWEST <= port < HIGHEST for port in taken)


def test_a_listening_port_is_not_free() -> None:
    port = Ports().take()  # not the kernel's to give to somebody else meanwhile
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
    assert is_free(port)


def test_no_free_port_is_an_error_with_a_next_step() -> None:
    class Stuck(random.Random):
        def randrange(self, *_: int) -> int:  # type: ignore[override]  # always the same
            return LOWEST

    ports = Ports(Stuck())
    with suppress(DependencyDown):  # somebody else may listen there
        ports.take()
    with pytest.raises(DependencyDown, match="stop other servers"):
        ports.take()
