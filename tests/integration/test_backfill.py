"""Orders from before a step's shadow: their rows come by chunks beside live work, once, and the judge knows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import psycopg
import pytest

from legacy_app.plan.plan import plan as sample
from outbox.connection import PsycopgConnection
from outbox.kafka.port import TopicPartition
from strangler.cli import main
from strangler.contexts import Context
from strangler.errors import BadPlan, Refused
from strangler.local.stack import Stack
from strangler.moves import Moved, advance
from strangler.plan import Step
from strangler.stages import Stage
from strangler.step.backfill import finish, store_watermark
from strangler.store import ensure_steps
from tests.integration.contexts import rows
from tests.integration.stages.plan import CHECK
from tests.integration.test_replay_rebuild import again, environ, publish, running
from tests.support.orders import cancelled as any_cancelled
from tests.support.orders import placed as any_placed
from tests.support.waiting import wait_until

__all__ = ["environ"]  # the fixture

# Nothing was told of these orders before they were placed.
placed, cancelled = partial(any_placed, version=1), partial(any_cancelled, version=2)
DOCUMENTS = "SELECT order_ref, version FROM search.document ORDER BY order_ref"
CLAIMS = "SELECT subject_ref, number, kind FROM search.claim ORDER BY 1, 2"
LOWEST = """
SELECT coalesce(sum(lowest), 0)::int FROM
    (SELECT min(next_offset) AS lowest FROM search.position GROUP BY topic, partition) AS partitions"""
FINISHED = "SELECT DISTINCT finished_at IS NOT NULL FROM strangler.backfill"
PARK = """
INSERT INTO search.quarantine (group_name, topic, incarnation, partition, "offset", key, reason)
SELECT group_name, topic, incarnation, partition, 0, %(key)s, 'poison' FROM search.position
WHERE group_name = %(group)s LIMIT 1"""
ORDER_0 = TopicPartition("order", 0)


@pytest.fixture
def connection(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as opened:
        ensure_steps(opened, sample)
        yield opened


def test_legacys_orders_come_once_and_stay_beside_live_work(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    old = [placed("old-1"), cancelled("old-1", whole=False), placed("old-2"), placed("seen", "search=shadow")]
    with running(stack, environ, "search"):
        publish(environ, *old, placed("ours", "search=new"))
        passes(database, 5)

        would = again(environ, "backfill", "search", "--dry-run")
        assert (would["dispositions"], rows(database, DOCUMENTS)) == ({"applied": 4, "not_owner": 1}, [("ours", 1)])
        assert rows(database, "TABLE strangler.backfill") == []

        done = again(environ, "backfill", "search")
        assert done["dispositions"] == {"applied": 4, "not_owner": 1}
        assert rows(database, DOCUMENTS) == [("old-1", 2), ("old-2", 1), ("ours", 1), ("seen", 1)]
        assert ("ours", 100, "applied") in rows(database, CLAIMS)
        assert ("old-1", 200, "backfilled") in rows(database, CLAIMS)
        assert rows(database, "SELECT DISTINCT finished_at IS NOT NULL FROM strangler.backfill") == [(True,)]

        publish(environ, cancelled("old-2"), placed("later"))
        passes(database, 7)
        assert again(environ, "backfill", "search")["dispositions"] == {"applied": 2}
        assert again(environ, "backfill", "search")["events"] == 0
        everything = [("later", 1), ("old-1", 2), ("old-2", 2), ("ours", 1), ("seen", 1)]
        assert rows(database, DOCUMENTS) == everything

        again(environ, "rebuild", "search")
        assert rows(database, DOCUMENTS) == everything


def test_stopped_anywhere_it_goes_on_where_it_stood(stack: Stack, database: str, environ: dict[str, str]) -> None:
    with running(stack, environ, "search"):
        publish(environ, *(placed(f"old-{number}") for number in range(6)))
        passes(database, 6)
    again(environ, "backfill", "search")
    with psycopg.connect(database) as connection:  # as a crash before the last chunk of a partition leaves it
        connection.execute("DELETE FROM search.claim WHERE subject_ref = 'old-5'")
        connection.execute("DELETE FROM search.document WHERE order_ref = 'old-5'")
        connection.execute("UPDATE strangler.backfill SET next_offset = next_offset - 1, finished_at = NULL")
    assert again(environ, "backfill", "search")["dispositions"].get("applied", 0) <= 1  # type: ignore[attr-defined]
    assert again(environ, "backfill", "search")["events"] == 0
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE strangler.backfill SET next_offset = 0")
    again(environ, "backfill", "search")
    assert len(rows(database, DOCUMENTS)) == 6


def test_what_waits_in_quarantine_leaves_it_unfinished_however_often_it_runs(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    with running(stack, environ, "search"):
        publish(environ, *(placed(f"old-{number}") for number in range(6)))
        passes(database, 6)
    with psycopg.connect(database) as connection:
        connection.execute(PARK, {"key": b"old-1", "group": environ["OUTBOX_GROUP_PREFIX"] + "search"})
    for _ in range(2):
        done = again(environ, "backfill", "search", exit_code=1)
        assert done["quarantined"] == 1
        assert rows(database, FINISHED) in ([(False,)], []), "nobody may be told that it is done"
    assert len(rows(database, DOCUMENTS)) == 5

    with psycopg.connect(database) as connection:
        connection.execute("UPDATE search.quarantine SET resolved_at = now()")
    assert again(environ, "backfill", "search")["dispositions"].get("applied") == 1  # type: ignore[attr-defined]
    assert (len(rows(database, DOCUMENTS)), rows(database, FINISHED)) == (6, [(True,)])


def test_a_topic_made_anew_is_refused_with_what_to_do(
    stack: Stack,
    database: str,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with running(stack, environ, "search"):
        publish(environ, *(placed(f"old-{number}") for number in range(6)))
        passes(database, 6)
    assert main(["backfill", "search"]) == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE strangler.backfill SET incarnation = 'an older one'")
        assert main(["backfill", "search"]) == 1
        assert "was made anew since search was backfilled from it" in capsys.readouterr().err
        assert main(["backfill", "search", "--anew"]) == 0
        assert "6 duplicate" in capsys.readouterr().out
        connection.execute("UPDATE strangler.backfill SET incarnation = NULL")  # as an older release stored it
        assert main(["backfill", "search"]) == 0
        assert "6 duplicate" in capsys.readouterr().out
        connection.execute("UPDATE search.position SET incarnation = 'an older one'")
        assert main(["backfill", "search"]) == 1
        assert "search's position is not in the log of" in capsys.readouterr().err


def passes(database: str, events: int) -> None:
    """Wait until the consumer has passed so many."""
    wait_until(lambda: rows(database, LOWEST) == [(events,)], lambda: rows(database, LOWEST))


@pytest.mark.parametrize("verb", ["backfill", "rebuild"])
def test_a_second_one_beside_it_is_refused(
    database: str,
    environ: dict[str, str],
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with psycopg.connect(database) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('projection.search', 0))")
        assert main([verb, "search"]) == 1
        assert "search is being rebuilt or backfilled already" in capsys.readouterr().err


def test_a_context_that_never_ran_has_nothing_to_be_backfilled_to(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main(["backfill", "search"]) == 1
    assert "search has never run" in capsys.readouterr().err


def test_a_step_that_needs_its_history_is_refused_shadow_until_that_is_there(connection: PsycopgConnection) -> None:
    plan = replace(sample, steps=tuple(_with_history(step) for step in sample.steps))

    def shadow() -> Moved | Refused:
        return advance(connection, plan, "search", to=Stage.SHADOW, dry_run=True, actor="ann", reason="watch it")

    refused = shadow()
    assert isinstance(refused, Refused)
    assert "search needs the subjects from before its shadow" in refused.reason
    assert "`strangler backfill search`" in refused.next_step
    assert isinstance(
        advance(connection, plan, "recommendation", to=Stage.SHADOW, dry_run=True, actor="ann", reason="watch it"),
        Moved,
    )

    store_watermark(connection, "search", ORDER_0, 7, "first")
    assert isinstance(shadow(), Refused)
    finish(connection, "search", {ORDER_0: 9}, {"order": "first"})
    assert isinstance(shadow(), Moved)
    connection.execute("UPDATE strangler.backfill SET incarnation = NULL")  # as an older release finished it
    assert isinstance(shadow(), Refused)
    store_watermark(connection, "search", ORDER_0, 10, "first")  # it goes on
    assert isinstance(shadow(), Refused)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step("search", history=True), "no new side to bring it to"),
        (
            Step("search", Context("search", "search", ("order",)), replace(CHECK, stateful=False), history=True),
            "keeps no rows by version",
        ),
    ],
)
def test_a_history_that_could_not_be_kept_or_judged_is_refused_with_the_plan(step: Step, words: str) -> None:
    with pytest.raises(BadPlan, match=words):
        replace(sample, steps=tuple(step if one.name == "search" else one for one in sample.steps))


def _with_history(step: Step) -> Step:
    return replace(step, history=True) if step.name == "search" else step
