"""Rows that were lost or are wrong are mended from the outbox's table beside live work, wherever that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial

import psycopg
import pytest

from outbox import Event, append_all
from strangler.cli import main
from strangler.local.stack import Stack
from tests.integration.contexts import rows
from tests.integration.test_replay_rebuild import OWNER, again, environ, publish, running, until_indexed
from tests.support.orders import cancelled as any_cancelled
from tests.support.orders import placed as any_placed
from tests.support.waiting import wait_until

__all__ = ["environ"]  # the fixture

placed, cancelled = partial(any_placed, version=1), partial(any_cancelled, version=2)
DOCUMENTS = "SELECT order_ref, version, body FROM search.document ORDER BY order_ref"
UNDER_WAY = "SELECT step, partition FROM strangler.backfill"
PARKED = "SELECT convert_from(aggregate_id, 'UTF8'), aggregate_version FROM search.quarantine WHERE resolved_at IS NULL"
CLAIMS = "SELECT count(*)::integer FROM search.claim"
POINTS = ("snapshot.written:1", "snapshot.committed:1", "snapshot.written:2", "snapshot.committed:1")


def tell(environ: dict[str, str], *events: Event) -> None:
    """Append the events, and send them as the relay does."""
    with psycopg.connect(environ["STRANGLER_DSN"]) as connection:
        append_all(connection, events)
    publish(environ, *events)


def trickle(environ: dict[str, str], events: Sequence[Event]) -> None:
    for number in range(0, len(events), 4):
        tell(environ, *events[number : number + 4])


def ruin(database: str) -> None:
    """Documents lost with their claims and without, wrong ones of the right version, and some of an older one."""
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM search.document WHERE order_ref < 'o040'")
        connection.execute("DELETE FROM search.claim WHERE subject_ref < 'o020'")
        connection.execute("UPDATE search.document SET body = '{}' WHERE order_ref BETWEEN 'o040' AND 'o059'")
        connection.execute("UPDATE search.document SET version = 1, body = '{}' WHERE order_ref >= 'o400'")


def killed(environ: dict[str, str], point: str) -> None:
    argv = [sys.executable, "-m", "strangler", "snapshot", "search", "--at-once"]
    env = {**environ, "PATH": "/usr/bin", "OUTBOX_STOP_AT": point}
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(signal.SIGKILL)
        assert said == f"stopped_at {point.partition(':')[0]}\n"


@pytest.mark.timeout(420)
def test_what_was_lost_or_is_wrong_is_mended_beside_live_work_and_a_kill_only_stops_it(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    orders = [placed(f"o{number:03}", OWNER) for number in range(450)]
    changes = [cancelled(f"o{number:03}", OWNER, whole=False) for number in range(400, 450)]
    live = [cancelled(f"o{number:03}", OWNER) for number in range(20, 60)]
    later = [placed(f"p{number:03}", OWNER) for number in range(40)]
    with running(stack, environ, "search"):
        tell(environ, *orders, *changes, placed("legacys"), placed("seen", "search=shadow"))
        wait_until(lambda: rows(database, CLAIMS) == [(500,)], lambda: rows(database, CLAIMS), within_s=90)
        right = rows(database, DOCUMENTS)
        ruin(database)
        seen = again(environ, "snapshot", "search", "--dry-run")
        mended = int(str(seen["mended"]))
        assert 110 <= mended <= 160, "those that went back have two versions, which may stand in two chunks"
        assert seen["not_ours"] == 2
        assert (rows(database, UNDER_WAY), rows(database, CLAIMS)) == ([], [(480,)]), "a look keeps nothing"

        coming = threading.Thread(target=trickle, args=(environ, [*live, *later]))
        coming.start()
        for point in POINTS:
            killed(environ, point)
        assert rows(database, UNDER_WAY) == [("search:snapshot", 0)]
        done = again(environ, "snapshot", "search")
        coming.join()

        assert (done["refused"], rows(database, UNDER_WAY)) == ([], [])
        wait_until(lambda: rows(database, CLAIMS) == [(580,)], lambda: rows(database, CLAIMS), within_s=90)
        found = rows(database, DOCUMENTS)
        assert found[:20] + found[60:450] == right[:20] + right[60:], "none is lost, and none is older or wrong"
        assert [row[:2] for row in found[20:60]] == [(one.aggregate_id, 2) for one in live], "live wins"
        assert len(found) == 490
        whole = again(environ, "snapshot", "search")
    assert (whole["mended"], whole["not_ours"]) == (0, 2)
    assert rows(database, DOCUMENTS) == found


def test_chosen_subjects_alone_and_what_the_outbox_knows_no_more_is_said(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    with running(stack, environ, "search"):
        tell(environ, *(placed(f"o{number}", OWNER) for number in range(4)))
        until_indexed(database, 4)
        right = rows(database, DOCUMENTS)
        with psycopg.connect(database) as connection:
            connection.execute("DELETE FROM search.document")
        one = again(environ, "snapshot", "search", "--subject", "o1", "--subject", "gone", exit_code=1)
        assert (one["mended"], one["absent"]) == (1, ["gone"])
        assert rows(database, DOCUMENTS) == right[1:2]
        again(environ, "snapshot", "search")
        assert rows(database, DOCUMENTS) == right


def test_what_waits_for_an_earlier_version_is_left_alone_and_that_one_is_brought(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    with running(stack, environ, "search"):
        tell(environ, placed("o1", OWNER))
        until_indexed(database, 1)
        with psycopg.connect(database) as connection:
            connection.execute("DELETE FROM search.document; DELETE FROM search.claim")
        tell(environ, cancelled("o1", OWNER))
        wait_until(lambda: rows(database, PARKED) == [("o1", 2)], within_s=90)
    found = again(environ, "snapshot", "search", exit_code=1)
    assert (found["mended"], found["quarantined"]) == (1, 1)
    assert [row[:2] for row in rows(database, DOCUMENTS)] == [("o1", 1)]


def test_legacys_subjects_come_along_where_a_backfill_has_brought_some(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    with running(stack, environ, "search"):
        tell(environ, placed("old-1"), placed("old-2"), placed("ours", OWNER))
        until_indexed(database, 1)
        assert again(environ, "snapshot", "search")["not_ours"] == 2
        wait_until(lambda: again(environ, "backfill", "search") and len(rows(database, DOCUMENTS)) == 3, within_s=90)
        with psycopg.connect(database) as connection:
            connection.execute("DELETE FROM search.document")
            connection.execute("DELETE FROM search.claim WHERE subject_ref = 'old-1'")
        assert again(environ, "snapshot", "search")["mended"] == 3
    assert [row[0] for row in rows(database, DOCUMENTS)] == ["old-1", "old-2", "ours"]


def test_a_service_whose_rows_have_no_versions_is_refused(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main(["snapshot", "recommendation"]) == 1
    assert "does not keep its rows by `Rows`" in capsys.readouterr().err
