"""A process of the monolith that is killed: what it leaves tells whether it could still act, and where it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.contexts import rows
from tests.support.waiting import wait_until

SUBJECT = "SELECT version FROM booking"
STATES = "SELECT state FROM strangler.seam_record"
LIVES = """SELECT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = 21332 AND l.objsubid = 2
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""


@contextmanager
def stopped_at(place: str, dsn: str) -> Iterator[subprocess.Popen[str]]:
    argv = (sys.executable, "-m", "tests.integration.desk_process", place, dsn)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"at {place}\n"
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("place", "versions", "states"),
    [
        ("before the commit", [], []),
        ("after the commit", [(1,)], []),
        ("in the call", [(1,)], [("begun",)]),
        ("after the call", [(1,)], [("done",)]),
    ],
)
def test_what_a_killed_process_leaves(
    bookings: str, place: str, versions: list[tuple[int]], states: list[tuple[str]]
) -> None:
    with stopped_at(place, bookings) as process:
        assert rows(bookings, LIVES) == [(True,)], "it can still act"
        process.kill()
        wait_until(lambda: rows(bookings, LIVES) == [(False,)])
    assert (rows(bookings, SUBJECT), rows(bookings, STATES)) == (versions, states)


def test_a_child_that_outlives_the_process_does_not_keep_its_lock(bookings: str) -> None:
    with stopped_at("forked", bookings) as process:
        assert rows(bookings, LIVES) == [(True,)]
        process.kill()
        process.wait(30)
        wait_until(lambda: rows(bookings, LIVES) == [(False,)])
