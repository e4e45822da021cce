"""A context drops late work only while the interlock lets it; else the work is run, late."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from new_services.late_work import ASK_EVERY_S, Interlock, expiry_of
from new_services.recommendation.policy import POLICY as RECOMMENDATION
from new_services.search.policy import POLICY as SEARCH
from outbox.policy import Expired
from tests.integration.test_interlock import POLICY, ran, verdict

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
    assert expiry_of(SEARCH, "") is None
    expiry = expiry_of(RECOMMENDATION, "")
    assert expiry is not None
    assert (expiry.branch, expiry.deadline_s) == (Expired.DROP, RECOMMENDATION.deadline_s)
