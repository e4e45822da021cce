"""A request that waits, in this process, where its pool can be seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy.orm import sessionmaker

from legacy_app.chain import place_order
from legacy_app.models import Order, make_engine
from legacy_app.reading import read_order
from legacy_app.vendor_client import Vendors
from legacy_app.waiting import Waiting
from outbox.fault_points import FaultPoints
from strangler.continuation.wakeups import Wakeups
from tests.integration.legacy_shop import LINES, order
from tests.integration.new_side import say
from tests.support.waiting import wait_until


@dataclass
class Request:
    """One that waits for its order's outcome, and how many connections were in use each time it went to wait."""

    answer: Future[Order]
    in_use: list[int]

    def until_looked(self, times: int) -> None:
        """Until it went to wait so many times more than now."""
        so_far = len(self.in_use)
        wait_until(lambda: len(self.in_use) >= so_far + times, lambda: f"{self.in_use} after {so_far}")


@pytest.fixture
def request_that_waits(database: str) -> Iterator[Request]:
    """For fraud's outcome of order `a`, at most 60 s."""
    engine, vendors, in_use = make_engine(database), Vendors(""), list[int]()
    sessions = sessionmaker(engine, expire_on_commit=False)

    class Watched(Wakeups):
        def wait(self, order_ref: str, timeout_s: float) -> bool:
            in_use.append(engine.pool.checkedout())  # type: ignore[attr-defined]  # it is a QueuePool
            return super().wait(order_ref, timeout_s)

    placed = read_order(order("a", *LINES))
    placed.order_ref, placed.ownership = "a", "epoch=3, fraud=new"
    with sessions.begin() as session:
        place_order(session, vendors, placed)
    wakeups = Watched(lambda: psycopg.connect(database, autocommit=True))
    with contextlib.ExitStack() as closing, ThreadPoolExecutor(1) as pool:
        closing.callback(engine.dispose)
        closing.callback(wakeups.close)
        yield Request(pool.submit(Waiting(sessions, vendors, wakeups, 60.0, FaultPoints()).finish, "a"), in_use)


def test_a_request_that_waits_holds_no_connection(database: str, request_that_waits: Request) -> None:
    request_that_waits.until_looked(2)
    say(database, "a", "fraud", refused=True)

    assert request_that_waits.answer.result().status == "rejected"
    assert set(request_that_waits.in_use) == {0}


def test_a_wake_up_that_met_the_lock_of_another_is_not_the_last_look(
    database: str, request_that_waits: Request
) -> None:
    request_that_waits.until_looked(2)
    with psycopg.connect(database) as another:
        another.execute("SELECT FROM legacy.orders WHERE order_ref = 'a' FOR UPDATE")
        say(database, "a", "fraud", refused=True)
        request_that_waits.until_looked(2)

    assert request_that_waits.answer.result(timeout=30).status == "rejected"
