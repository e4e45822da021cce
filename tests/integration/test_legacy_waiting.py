"""A request that waits, in this process, where its pool can be seen."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
from sqlalchemy.orm import sessionmaker

from legacy_app.chain import place_order
from legacy_app.models import make_engine
from legacy_app.reading import read_order
from legacy_app.vendor_client import Vendors
from legacy_app.waiting import Waiting
from outbox.checkpoints import Checkpoints
from strangler.local.waiting import wait_until
from strangler.step.wakeups import Wakeups
from tests.integration.legacy_shop import LINES, order
from tests.integration.new_side import say


def test_a_request_that_waits_holds_no_connection(database: str) -> None:
    """Its first wait ends with the wake-up of all once the process listens, its second with the outcome's."""
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
        waiting = pool.submit(Waiting(sessions, vendors, wakeups, 40.0, Checkpoints()).finish, "a")
        assert wait_until(lambda: len(in_use) == 2, within_s=30)
        say(database, "a", "fraud", refused=True)
        assert waiting.result().status == "rejected"

    assert in_use == [0, 0]
