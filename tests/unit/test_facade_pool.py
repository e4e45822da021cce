"""The bounded pool of connections."""

from __future__ import annotations

import socket

import pytest

from strangler.facade.pool import Pool, PoolExhausted, silent


class Shelf:
    """Numbers as connections."""

    def __init__(self, size: int = 2) -> None:
        self.opened = 0
        self.closed: list[int] = []
        self.dead: set[int] = set()
        self.pool: Pool[int] = Pool(
            self._open, lambda item: item not in self.dead, self.closed.append, size=size, wait_s=0
        )

    def _lives(self, item: int) -> bool:
        return item not in self.dead

    def _open(self) -> int:
        if self.opened < 0:
            raise OSError("refused")
        self.opened += 1
        return self.opened


def test_the_one_used_last_comes_first() -> None:
    shelf = Shelf()
    first, second = shelf.pool.take()[0], shelf.pool.take()[0]
    shelf.pool.give(first)
    shelf.pool.give(second)
    assert shelf.pool.take() == (second, True)


def test_it_never_has_more_than_its_size() -> None:
    shelf = Shelf(size=1)
    item, _ = shelf.pool.take()
    with pytest.raises(PoolExhausted):
        shelf.pool.take()
    shelf.pool.drop(item)
    assert shelf.pool.take() == (2, False)


def test_dead_and_declined_ones_are_closed() -> None:
    shelf = Shelf(size=3)
    for item in [shelf.pool.take()[0] for _ in range(3)]:
        shelf.pool.give(item)
    shelf.dead = {3}
    assert shelf.pool.take(lambda item: item != 2) == (1, True)
    assert shelf.closed == [3, 2]


def test_a_failure_to_open_gives_the_place_back() -> None:
    shelf = Shelf(size=1)
    shelf.opened = -1
    for _ in range(3):
        with pytest.raises(OSError, match="refused"):
            shelf.pool.take()
    shelf.opened = 0
    assert shelf.pool.take() == (1, False)


def test_a_loan_that_ends_by_an_error_is_dropped() -> None:
    shelf = Shelf(size=1)
    with pytest.raises(KeyError), shelf.pool.lend():
        raise KeyError
    with shelf.pool.lend() as item:
        assert (item, shelf.closed) == (2, [1])
    assert shelf.pool.take() == (2, True)


def test_a_peer_that_speaks_or_leaves_is_not_silent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert silent(ours.fileno())
        theirs.send(b"x")
        assert not silent(ours.fileno())
        ours.recv(1)
        theirs.close()
        assert not silent(ours.fileno())
