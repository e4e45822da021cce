"""The support of the tests: a wait that fails says what it waited for, a stub that cannot reply fails its test."""

from __future__ import annotations

from functools import partial

import pytest
import requests

from tests.support.clock import Clock
from tests.support.http_stub import Seen, answer, http_stub
from tests.support.longest_first import longest_first
from tests.support.waiting import NotInTime, comes_true, wait_until


def failed(ask: object, **more: object) -> str:
    clock = Clock()
    with pytest.raises(NotInTime) as caught:
        wait_until(ask, clock=clock, pause=clock.sleep, **more)  # type: ignore[arg-type] # as each test gives it
    return str(caught.value)


def test_a_wait_ends_when_the_answer_is_yes() -> None:
    clock = Clock(0.0)
    wait_until(lambda: clock.now >= 2, within_s=5, every_s=0.5, clock=clock, pause=clock.sleep)
    assert clock.now == 2


def test_a_wait_in_vain_says_for_what_how_long_and_what_was_seen_last() -> None:
    rows: list[int] = []
    said = failed(lambda: len(rows) > 3, seen=lambda: f"{len(rows)} rows", within_s=7)
    assert said.startswith("waited 7 s for: ")
    assert "len(rows) > 3" in said
    assert "test_support.py" in said
    assert said.endswith("the last answer was False; seen: 0 rows")


def test_a_named_condition_is_told_by_its_name() -> None:
    def has_rows(table: str) -> int:
        return 0

    assert "has_rows of 'orders'; the last answer was 0" in failed(partial(has_rows, "orders"))
    assert "dict.keys" in failed({}.keys)


def test_who_goes_on_either_way_is_told_no() -> None:
    assert comes_true(lambda: 1)
    assert not comes_true(lambda: 0, within_s=0)


def test_a_stub_keeps_what_it_is_sent() -> None:
    with http_stub() as stub:
        assert requests.post(f"{stub.url}/a%2Fb?c", data=b"body", headers={"Key": "1"}, timeout=30).text == "ok"
    [seen] = stub.seen
    assert (seen.method, seen.target, seen.value("key"), seen.body) == ("POST", "/a%2Fb?c", "1", b"body")


def test_a_stub_that_cannot_reply_fails_its_test() -> None:
    def reply(seen: Seen) -> bytes:
        return answer(200, b"") if seen.value("Key") == "1" else b"%d" % int(seen.value("Key") or "")

    def ask() -> None:
        with http_stub(reply) as stub, pytest.raises(requests.ConnectionError):
            requests.get(f"{stub.url}/orders", headers={"Key": "x"}, timeout=30)

    with pytest.raises(AssertionError, match=r"could not reply to .*GET /orders HTTP/1.1.*invalid literal"):
        ask()


def shares(items: list[int], processes: int) -> list[list[int]]:
    """As xdist deals out a list."""
    left, dealt = list(items), []
    for number in range(processes):
        size = len(left) // (processes - number)
        dealt.append(left[:size])
        del left[:size]
    return dealt


def test_each_process_begins_with_what_takes_longest_and_the_rest_keeps_its_order() -> None:
    ordered = longest_first([1, 2, 900, 3, 300, 4, 240, 5, 6, 500], 3, lambda one: one if one > 120 else 0)
    assert shares(ordered, 3) == [[900, 240, 1], [500, 2, 3], [300, 4, 5, 6]]


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("items", [[], [900], [900, 800, 700, 600], [1, 900, 2], list(range(100, 140))])
def test_whatever_takes_long_each_test_is_run_once(items: list[int], processes: int) -> None:
    assert sorted(longest_first(items, processes, lambda one: one if one > 120 else 0)) == sorted(items)
