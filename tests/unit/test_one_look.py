"""Who asks while a look is under way gets its result or its failure, and waits no longer than one look may take."""

from __future__ import annotations

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

    def __call__(self) -> int:
        self.begun += 1
        return self.end.result(60.0)


def waiting(look: OneLook[int]) -> int:
    """How many wait for the look that is under way."""
    asked = look._under_way
    return 0 if asked is None else len(asked._condition._waiters)  # type: ignore[attr-defined] # threading's own


@pytest.mark.parametrize("failure", [None, ConnectionError("down"), TimeoutError("of its own")])
def test_all_who_ask_meanwhile_share_one_look_and_its_failure(failure: Exception | None) -> None:
    slow = Slow()
    look = OneLook(slow, limit_s=60.0)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(look) for _ in range(AT_ONCE)]
        wait_until(lambda: waiting(look) == AT_ONCE, lambda: waiting(look))
        if failure is None:
            slow.end.set_result(7)
        else:
            slow.end.set_exception(failure)
        found = [one.exception(60.0) or one.result() for one in asked]
    assert (set(found), slow.begun) == ({failure or 7}, 1)


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
