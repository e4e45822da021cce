"""A context gives up work only while the interlock lets it; what it gave up is known, and can be made up for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
import requests

from outbox import Event
from outbox.event import uuid7
from outbox.policy import Expired
from outbox.told import Told
from strangler import Mode
from strangler.local.process import Running
from strangler.local.stack import Stack
from strangler.modes.table import declare, end
from strangler.service.shedding import ASK_EVERY_S, Interlock, expiry_of, shedding_of
from tests.integration.contexts import rows
from tests.integration.test_interlock import POLICY, ran, verdict
from tests.integration.test_replay_rebuild import again, environ, publish
from tests.support.orders import placed
from tests.support.services import SERVICES
from tests.support.waiting import wait_until

__all__ = ["environ"]  # the fixture

DROPPING = replace(POLICY, expired=Expired.DROP)


def test_late_work_is_dropped_only_while_reconciliation_is_green(database: str) -> None:
    now = 0.0
    interlock = Interlock(DROPPING, database, lambda: now)
    assert not interlock(), "nothing has been compared"
    with psycopg.connect(database, autocommit=True) as connection:
        ran(connection, "advice")
        verdict(connection, "a", "match")
        assert not interlock(), "an answer is kept for seconds"
        now += ASK_EVERY_S
        assert interlock()
        verdict(connection, "b", "missing")
    now += ASK_EVERY_S
    assert not interlock()


def test_no_database_is_a_no() -> None:
    assert not Interlock(DROPPING, "postgresql://127.0.0.1:1/none")()


def test_only_policies_that_do_not_run_late_work_look_at_deadlines() -> None:
    assert expiry_of(SERVICES["search"].policy) is None
    expiry = expiry_of(SERVICES["recommendation"].policy)
    assert expiry is not None
    assert (expiry.branch, expiry.deadline_s) == (Expired.DROP, SERVICES["recommendation"].policy.deadline_s)


def test_only_a_context_whose_policy_says_so_gives_up_anything(database: str) -> None:
    search, recommendation = (shedding_of(SERVICES[name], database) for name in ("search", "recommendation"))
    assert not search.permitted()
    assert search.sample is None
    assert recommendation.sample == SERVICES["recommendation"].policy.sampling
    assert recommendation.over_budget == "policy:recommendation.retry.over_budget=drop"


OWNED = "recommendation=new"
BASKETS = "SELECT order_ref FROM recommendation.basket ORDER BY 1"
GIVEN_UP = "SELECT subject_ref, clause FROM recommendation.claim WHERE kind = 'shed' ORDER BY 1"
IN_PEAK = 'context_mode{context="recommendation",mode="peak"} 1'
SAMPLING = SERVICES["recommendation"].policy.clause("sampling.keep")
# The counters against the baskets: what is made up for is counted once.
UNEVEN = f"SELECT orders FROM recommendation.affinity WHERE orders <> (SELECT count(*) FROM ({BASKETS}) AS basket)"


@contextmanager
def recommending(stack: Stack, environ: dict[str, str]) -> Iterator[str]:
    """The context in a process of its own, and the address of its metrics."""
    address = f"127.0.0.1:{stack.take_port()}"
    argv = (sys.executable, "-m", "strangler", "run", "recommendation", "--lanes", "3")
    environ = {**environ, "OUTBOX_METRICS_ADDRESS": address}
    name = f"recommendation-{environ['OUTBOX_GROUP_PREFIX']}"
    process = stack.spawn(name, argv, env=environ, ready=Running.said_ready)
    try:
        yield f"http://{address}/metrics"
    finally:
        process.terminate()


def waiting_for_long(prefix: str, count: int) -> list[Event]:
    """Orders whose events are older than the age from which recommendation samples."""
    assert SERVICES["recommendation"].policy.sampling is not None
    return waiting(prefix, count, age_s=SERVICES["recommendation"].policy.sampling.above_s + 60)


def waiting(prefix: str, count: int, *, age_s: float) -> list[Event]:
    made_ms = round((time.time() - age_s) * 1000)
    return [replace(placed(f"{prefix}{number:02}", OWNED), id=uuid7(made_ms + number)) for number in range(count)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("repair", [("replay", "recommendation", "--from-start"), ("rebuild", "recommendation")])
def test_under_pressure_recommendation_samples_and_makes_up_for_it_later(
    stack: Stack, database: str, environ: dict[str, str], repair: tuple[str, ...]
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        ran(connection, "recommendation")
        verdict(connection, "compared", "match")
        connection.execute("UPDATE strangler.verdict SET step = 'recommendation'")
    old, new = waiting_for_long("old", 40), [placed(f"new{number}", OWNED) for number in range(4)]
    publish(environ, *old)
    with recommending(stack, environ) as metrics:
        wait_until(lambda: len(rows(database, BASKETS)) + len(rows(database, GIVEN_UP)) == 40)
        publish(environ, *new)
        wait_until(lambda: {("new0",), ("new3",)} <= set(rows(database, BASKETS)))
        shed = rows(database, GIVEN_UP)
        assert 0 < len(shed) < 40
        assert {clause for _, clause in shed} == {SAMPLING}
        assert not {ref for ref, _ in shed} & {ref for (ref,) in rows(database, BASKETS)}
        said = f'consumer_shed_total{{context="recommendation",clause="{SAMPLING}"}} {len(shed)}'
        assert said in requests.get(metrics, timeout=30).text

        done = again(environ, *repair)

    assert done["refused"] == []
    assert rows(database, GIVEN_UP) == []
    assert rows(database, BASKETS) == sorted((event.aggregate_id,) for event in [*old, *new])
    assert rows(database, UNEVEN) == [], "all baskets are alike: each pair is counted once for each"


@pytest.mark.timeout(180)
def test_at_a_peak_recommendation_samples_sooner_and_harder_and_as_ever_after_it(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    """Events of an age at which it usually samples nothing: the mode begins and ends while it runs."""
    with psycopg.connect(database, autocommit=True) as connection:
        ran(connection, "recommendation")
        verdict(connection, "compared", "match")
        connection.execute("UPDATE strangler.verdict SET step = 'recommendation'")
    usual, peak, after = (waiting(each, 12, age_s=120.0) for each in ("usual", "peak", "after"))
    with recommending(stack, environ) as metrics:
        publish(environ, *usual)
        wait_until(lambda: len(rows(database, BASKETS)) == 12)
        with psycopg.connect(database) as connection:
            declare(connection, Mode("peak", longest_s=600), 600, Told("ann", "black friday"))
        wait_until(lambda: IN_PEAK in requests.get(metrics, timeout=30).text)
        publish(environ, *peak)
        wait_until(lambda: len(rows(database, BASKETS)) + len(rows(database, GIVEN_UP)) == 24)
        shed = rows(database, GIVEN_UP)
        assert {clause for _, clause in shed} == {"policy:recommendation.modes.peak.sampling.keep=0.1"}
        assert len(shed) > 6, "nine of ten are given up"
        with psycopg.connect(database) as connection:
            assert end(connection, Told("ann", "it is over")) == "peak"
        wait_until(lambda: IN_PEAK not in requests.get(metrics, timeout=30).text)
        publish(environ, *after)
        wait_until(lambda: len(rows(database, BASKETS)) + len(rows(database, GIVEN_UP)) == 36)
    assert rows(database, GIVEN_UP) == shed


@pytest.mark.timeout(180)
def test_without_a_green_reconciliation_everything_is_handled(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    publish(environ, *waiting_for_long("old", 20))
    with recommending(stack, environ):
        wait_until(lambda: len(rows(database, BASKETS)) == 20)
    assert rows(database, GIVEN_UP) == []
