"""Two facades of two workers share the plan's slots: together they let in as many as there are, also when some die."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from outbox.connection import PsycopgConnection
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.facade.client import ask
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.test_facade_metrics import scraped
from tests.support.http_stub import HttpStub, answer
from tests.support.waiting import wait_until

PLAN = Path(__file__).parents[2] / "support" / "facade_shared_plan.py"
SLOTS = 8
ALONE, EXCESS = ("facade_admission_alone", ()), ("facade_admission_excess", ())
SHARES = "SELECT split_part(worker, '/', 1), sum(slots)::int FROM strangler.admission_share GROUP BY 1 ORDER BY 2"


@pytest.fixture
def pages(stack: Stack) -> list[str]:
    return [f"127.0.0.1:{stack.take_port()}" for _ in range(2)]


@pytest.fixture
def both(
    launch: StartFacade, connection: PsycopgConnection, app: HttpStub, pages: list[str]
) -> Iterator[list[Running]]:
    """The application answers when it may: whatever is let in stays in flight."""
    app.reply = lambda _: answer(200, b"ok") if app.held.wait(60) else b""
    flags = ("--admission", "100%", "--workers", "2")
    facades: list[Running] = []
    try:
        facades.extend(launch(*flags, plan=PLAN, metrics=page) for page in pages)
        wait_until(lambda: sorted(shares(connection).values()) == [4, 4], lambda: shares(connection))
        yield facades
    finally:
        app.release()
        for one in facades:
            one.kill()
        connection.execute("DELETE FROM strangler.admission_share")


def shares(connection: PsycopgConnection) -> dict[str, int]:
    return {str(facade): int(slots) for facade, slots in connection.execute(SHARES)}


@contextmanager
def crowd(facades: list[Running], app: HttpStub, key: str) -> Iterator[None]:
    """Asks until as many are in flight as there are slots; at the end all that is held is answered."""
    with ThreadPoolExecutor(64) as clients:

        def all_taken() -> bool:
            if len(app.seen) < SLOTS:
                for facade in facades:
                    clients.submit(ask, facade, "GET", f"/{key}")
            return len(app.seen) >= SLOTS

        try:
            wait_until(all_taken, lambda: len(app.seen))
            for facade in facades * 10:
                clients.submit(ask, facade, "GET", f"/{key}")
            yield
        finally:
            app.release()


def workers_of(facade: Running) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{facade.pid}/task/{facade.pid}/children").read_text().split()]


def test_they_let_in_as_many_as_there_are(
    both: list[Running], app: HttpStub, key: str, connection: PsycopgConnection, pages: list[str]
) -> None:
    with crowd(both, app, key):
        for _ in range(50):
            assert sum(shares(connection).values()) <= SLOTS
        assert len(app.seen) == SLOTS
    assert [scraped(page)[EXCESS] for page in pages] == [0, 0]


def test_one_that_is_asked_gets_what_the_other_does_not_need(
    both: list[Running], app: HttpStub, key: str, connection: PsycopgConnection
) -> None:
    """All but one slot for each of the other one's workers."""
    with ThreadPoolExecutor(64) as clients:

        def most_taken() -> bool:
            clients.submit(ask, both[0], "GET", f"/{key}")
            return len(app.seen) >= SLOTS - 2

        wait_until(most_taken, lambda: (len(app.seen), shares(connection)))
        assert sum(shares(connection).values()) <= SLOTS
        app.release()


def test_a_worker_that_is_killed_leaves_its_part_to_the_next_and_a_facade_to_the_other(
    both: list[Running], app: HttpStub, key: str, connection: PsycopgConnection
) -> None:
    (first, *_), before = workers_of(both[0]), set(shares(connection))
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(workers_of(both[0])) == 2 and first not in workers_of(both[0]))
    wait_until(lambda: ask(both[0], "GET", "/-/healthz").status == 200)
    assert set(shares(connection)) == before
    both[0].kill()
    wait_until(lambda: list(shares(connection).values()) == [SLOTS], lambda: shares(connection))
    with crowd(both[1:], app, key):
        assert len(app.seen) == SLOTS


def test_a_facade_that_ends_gives_back_what_it_had(both: list[Running], connection: PsycopgConnection) -> None:
    both[0].terminate(20.0)
    assert len(shares(connection)) == 1
    wait_until(lambda: list(shares(connection).values()) == [SLOTS], lambda: shares(connection))


def test_without_the_table_each_keeps_to_an_even_part_and_says_so(
    both: list[Running], connection: PsycopgConnection, app: HttpStub, key: str, pages: list[str]
) -> None:
    connection.execute("ALTER TABLE strangler.admission_share RENAME TO admission_share_gone")
    try:
        wait_until(lambda: [scraped(page)[ALONE] for page in pages] == [2, 2])
        assert b"slots_not_shared" in both[0].said()
        with crowd(both, app, key):
            assert len(app.seen) == SLOTS
    finally:
        connection.execute("ALTER TABLE strangler.admission_share_gone RENAME TO admission_share")
    wait_until(lambda: [scraped(page)[ALONE] for page in pages] == [0, 0])
