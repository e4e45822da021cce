"""Hand-back beside requests: what may still commit is waited for, what cannot any more is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from outbox.connection import PsycopgConnection
from strangler.ownership import Owner
from strangler.status import read_status
from strangler.step.claim import ClaimResult
from tests.integration.stages.handing_back import (
    STEP,
    Environ,
    act,
    answered,
    audit,
    owner,
    requested,
    result,
    run,
    taken_over,
)
from tests.integration.stages.legacy import Monolith
from tests.integration.stages.plan import plan
from tests.support.waiting import wait_until


def test_an_order_whose_request_is_under_way_is_waited_for(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    taken_over(connection, ["coming"])
    requested(connection, "coming")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, environ)
        wait_until(lambda: monolith.asked["coming"] > 1)
        monolith.orders = {"coming"}
        answered(connection, "coming")

        assert running.result(timeout=30) == result(handed_back=1)


def test_a_request_that_nobody_works_on_any_more_is_not_waited_for(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    monolith.orders = {"order"}
    taken_over(connection, ["order", "absent"])
    requested(connection, "order", lease_s=-1)
    requested(connection, "absent", lease_s=-1)

    assert run(environ) == result(handed_back=1, not_committed=1)


def test_each_order_of_a_request_is_handed_back(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    """Also those that the request commits while it is waited for. Legacy shows the first of them for the request."""
    parts = [f"base.{number}" for number in range(1, 11)]
    taken_over(connection, ["base", "late"])
    requested(connection, "base", "done")
    requested(connection, "late")
    make = "SELECT strangler.pin_part(split_part(%(part)s, '.', 1), %(part)s)"
    for part in parts:
        connection.execute(make, {"part": part})
    monolith.orders = {*parts, "base"}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, environ)
        wait_until(lambda: monolith.asked["late"] > 1)
        connection.execute(make, {"part": "late.1"})
        monolith.orders = {*parts, "base", "late", "late.1"}
        answered(connection, "late")

        assert running.result(timeout=30) == result(handed_back=11)
    assert monolith.runs == {(STEP, ref): 1 for ref in (*parts, "late.1")}


def test_an_order_that_legacy_can_no_longer_run_is_too_old(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    monolith.orders, monolith.too_old = {"old", "fresh"}, {"old"}
    taken_over(connection, ["old", "fresh"])

    assert run(environ) == result(handed_back=1, too_old=1)
    assert [(row[0], row[3]) for row in audit(connection)] == [("fresh", "done"), ("old", "too_old")]
    assert run(environ) == result()
    (step,) = [each for each in read_status(connection, plan).steps if each.step == STEP]
    assert (step.too_old, step.unfinished) == (1, 0)


def test_an_order_that_never_commits_is_left_to_the_new_side(
    connection: PsycopgConnection, monolith: Monolith, environ: Environ
) -> None:
    taken_over(connection, ["refused", "old", "coming"])  # of the old one nothing is left
    requested(connection, "refused", "done")
    requested(connection, "coming")

    assert run(environ, timeout_s=3.0) == result(not_committed=3)

    assert monolith.asked["coming"] > 2
    assert (monolith.asked["refused"], monolith.asked["old"]) == (2, 2)
    assert owner(connection, "refused") is Owner.NEW
    assert act(environ["STRANGLER_DSN"], "refused") is ClaimResult.WON
