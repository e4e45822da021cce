"""Who asks while a look is under way gets its result or its failure, and waits no longer than one look may take."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from outbox.errors import DependencyDown
from outbox.one_look import OneLook
from tests.support.waiting import wait_until

AT_ONCE = 8


class Slow:
    """A look that ends when it is told how."""

    def __init__(self) -> None:
        self.begun = 0
        self.end: Future[int] = Future()
        self.entered = threading.Event()

    def __call__(self) -> int:
        self.begun += 1
        self.entered.set()
        return self.end.result(30.0)


class Asking:
    """Many who ask at once; `waiting` of them are there."""

    def __init__(self, look: OneLook[int]) -> None:
        self._look, self._lock, self.there = look, threading.Lock(), 0

    def __call__(self) -> int:
        with self._lock:
            self.there += 1
        return self._look()


@pytest.mark.parametrize("failure", [None, ConnectionError("down"), TimeoutError("of its own")])
def test_all_who_ask_meanwhile_share_one_look_and_its_failure(failure: Exception | None) -> None:
    slow = Slow()
    asking = Asking(OneLook(slow, limit_s=30.0))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(asking) for _ in range(AT_ONCE)]
        wait_until(lambda: slow.entered.is_set() and asking.there == AT_ONCE)
        if failure is None:
            slow.end.set_result(7)
        else:
            slow.end.set_exception(failure)
        found = [one.exception(30.0) or one.result() for one in asked]
    assert set(found) <= {failure or 7}
    # Who had entered and not yet asked when it ended asks anew.
    assert slow.begun < AT_ONCE


def test_a_look_that_takes_too_long_is_waited_for_once_and_left_at_once_after_that() -> None:
    slow = Slow()
    look = OneLook(slow, limit_s=0.05)
    for _ in range(3):
        with pytest.raises(DependencyDown, match=r"no answer within 0\.05 s; it is still waited for"):
            look()
    assert slow.begun == 1
    slow.end.set_result(7)
    wait_until(lambda: answered(look) == 7)
    assert slow.begun <= 2


def answered(look: OneLook[int]) -> int | None:
    try:
        return look()
    except DependencyDown:
        return None
