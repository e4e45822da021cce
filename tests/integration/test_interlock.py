"""The interlock asks what reconciliation has stored."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.errors import Refused
from strangler.flows.interlock import Permitted, ReconciledEvidence, ask, read_evidence
from tests.unit.policies import LOSSY

RUN = """
INSERT INTO strangler.reconciliation_run (run_id, scope, frontier, counts, started_at, ended_at)
VALUES (%s, 'new', '{}',
        jsonb_build_object('steps', jsonb_build_object(%s::text, jsonb_build_object('unknown', %s::int))),
        now() - %s * interval '1 s', now() - %s * interval '1 s')"""
VERDICT = """
INSERT INTO strangler.verdict (step, subject_ref, number, class, owner, fields, detail, run_id)
SELECT 'advice', %(order_ref)s, 100, %(class)s, 'new', '[]', '{}', run_id FROM strangler.reconciliation_run LIMIT 1
ON CONFLICT (step, subject_ref, number) DO UPDATE SET class = EXCLUDED.class"""
POLICY = replace(LOSSY, rebuild=("strangler", "rebuild", "advice"))


@pytest.fixture
def connection(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


def ran(connection: PsycopgConnection, step: str, *, unknown: int = 0, ago_s: float = 0.0) -> None:
    connection.execute(RUN, (uuid4(), step, unknown, ago_s, ago_s))


def verdict(connection: PsycopgConnection, order_ref: str, name: str) -> None:
    connection.execute(VERDICT, {"order_ref": order_ref, "class": name})


def refusal(connection: PsycopgConnection) -> str:
    answer = ask(connection, POLICY)
    assert isinstance(answer, Refused)
    return answer.reason


def test_the_interlock_opens_with_a_green_run_and_closes_with_a_finding(connection: PsycopgConnection) -> None:
    assert read_evidence(connection, "advice") == ReconciledEvidence(None, 0, 0, 0)
    assert "compared nothing yet" in refusal(connection)

    ran(connection, "advice")
    assert "compared nothing yet" in refusal(connection)
    verdict(connection, "a", "match")
    assert isinstance(ask(connection, POLICY), Permitted)

    verdict(connection, "a", "acted")
    assert "by its own account alone" in refusal(connection)
    verdict(connection, "a", "match")
    for finding in ("missing", "extra", "mismatch", "duplicate", "orphan"):
        verdict(connection, "b", finding)
        assert "has 1 finding" in refusal(connection), finding
    verdict(connection, "b", "match")
    assert isinstance(ask(connection, POLICY), Permitted)


def test_only_the_last_run_that_judged_the_step_counts(connection: PsycopgConnection) -> None:
    ran(connection, "advice", unknown=3, ago_s=7_000)
    verdict(connection, "a", "match")
    ran(connection, "search")
    assert "could not judge 3" in refusal(connection)

    ran(connection, "advice", ago_s=5_000)
    assert "s old" in refusal(connection)
    ran(connection, "advice", ago_s=60)
    assert isinstance(ask(connection, POLICY), Permitted)
