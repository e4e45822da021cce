"""What may block does not hold the loop up: a plan's own function waits on a thread, of which there are so many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strangler.local.process import Running
from tests.integration.facade.client import Answer, ask
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.shop import Shop
from tests.support.http_stub import HttpStub, Reply, Seen, answer
from tests.support.waiting import wait_until

PLAN = Path(__file__).parents[2] / "support" / "facade_callers_plan.py"


class Slow(Shop):
    """It says who somebody is when it is told to."""

    def reply(self, seen: Seen) -> Reply:
        if seen.target == "/who":
            return (piece for piece in (answer(200, b"ann"),) if self.app.held.wait(60))
        return super().reply(seen) if seen.method == "POST" else answer(200, b"ok")


@pytest.fixture
def slow(app: HttpStub) -> Slow:
    return Slow(app)


def post(facade: Running, key: str) -> Answer:
    return ask(facade, "POST", "/asked/orders", b"{}", {"Idempotency-Key": key})


def asked(app: HttpStub) -> int:
    return sum(seen.target == "/who" for seen in app.seen)


def test_a_function_that_waits_holds_up_nobody_else(launch: StartFacade, slow: Slow, key: str) -> None:
    facade = launch(plan=PLAN)
    with ThreadPoolExecutor(3) as pool:
        orders = [pool.submit(post, facade, f"{key}-{number}") for number in range(3)]
        wait_until(lambda: asked(slow.app) == 3)
        assert ask(facade, "GET", "/other").status == 200
        assert ask(facade, "POST", "/orders", b"{}", {"Idempotency-Key": key, "X-Api-Key": "a"}).status == 201
        slow.app.release()
        assert [one.result(30).status for one in orders] == [201, 201, 201]


def test_a_function_that_hangs_is_given_up_and_who_finds_no_thread_is_refused(
    launch: StartFacade, slow: Slow, key: str
) -> None:
    facade = launch("--threads", "1", "--read-timeout-s", "0.5", plan=PLAN)
    first = post(facade, key)
    assert (first.status, first.json()["effect"], asked(slow.app)) == (503, "none", 1)
    assert str(first.json()["type"]).endswith(":caller-failed")
    second = post(facade, key)
    assert (second.status, second.json()["effect"], asked(slow.app)) == (503, "none", 1)
    assert str(second.json()["type"]).endswith(":threads-busy")
    assert second.field("Strangler-Rejected") == "order"
    assert '"threads_busy"' in facade.said().decode()
    slow.app.release()
    wait_until(lambda: post(facade, key).status == 201)
    assert len(slow.posted) == 1


def test_a_large_body_is_digested_off_the_loop(launch: StartFacade, slow: Slow, key: str) -> None:
    """The one thread has a function that waits, so the body waits too, and is refused."""
    facade = launch("--threads", "1", "--read-timeout-s", "0.5", plan=PLAN)
    post(facade, key)
    large = {"Idempotency-Key": f"{key}-large", "X-Api-Key": "a"}
    body = b"x" * 200_000
    assert str(ask(facade, "POST", "/orders", body, large).json()["type"]).endswith(":threads-busy")
    slow.app.release()
    wait_until(lambda: ask(facade, "POST", "/orders", body, large).status == 201)
    assert slow.posted[0].body == body
