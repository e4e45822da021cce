"""A step goes on when the judge has compared it since its last move and found nothing; else it is refused, or told."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from outbox.connection import PsycopgConnection
from strangler.cli import main
from strangler.errors import Refused
from strangler.moves import Moved, advance, rollback
from strangler.stage_evidence import MOST_COUNTED
from strangler.stages import Stage
from strangler.store import read_stages, stage_moves
from tests.integration.stages.conftest import pin
from tests.integration.stages.plan import plan

RUN = """
INSERT INTO strangler.reconciliation_run (run_id, scope, frontier, counts, started_at, ended_at)
VALUES (%s, 'new', '{}', %s, clock_timestamp(), clock_timestamp())"""
VERDICT = """
INSERT INTO strangler.verdict (step, subject_ref, number, class, owner, run_id)
VALUES (%s, %s, 100, %s, 'shadow', %s)"""
WHY: dict[str, Any] = {"actor": "ann", "reason": "because"}


def go_on(connection: PsycopgConnection, to: Stage | None = None, **more: Any) -> Moved | Refused:
    return advance(connection, plan, "search", to=to, **{**WHY, **more})


def judged(
    connection: PsycopgConnection, *refs: str, verdict: str = "match", step: str = "search", unknown: int = 0
) -> None:
    """A run of the judge, as it keeps one."""
    run, epoch = uuid.uuid4(), read_stages(connection).epoch
    connection.execute(RUN, (run, json.dumps({"steps": {step: {"unknown": unknown}}, "unknown": {}, "epoch": epoch})))
    for ref in refs:
        connection.execute(VERDICT, (step, ref, verdict, run))


@pytest.fixture
def shadow(connection: PsycopgConnection) -> PsycopgConnection:
    """The step has gone to shadow, and one order since."""
    pin(connection, "before")
    assert isinstance(go_on(connection), Moved), "a step at legacy has nothing to compare"
    pin(connection, "order-1")
    return connection


def refused(connection: PsycopgConnection, **more: Any) -> str:
    """Why, and what to type; nothing has moved."""
    before = read_stages(connection)
    found = go_on(connection, **{"ramp_bp": 500, **more})
    assert isinstance(found, Refused)
    assert read_stages(connection) == before
    assert "`strangler reconcile --step search" in found.next_step
    assert "--anyway" in found.next_step
    return f"{found.reason}; {found.next_step}"


def test_a_stage_that_nobody_judged_is_not_left(shadow: PsycopgConnection) -> None:
    said = refused(shadow)
    assert said.startswith("search is at shadow since epoch 2: has not been reconciled since; no order pinned since")
    assert "send orders through it" in said
    judged(shadow, step="notification")
    assert "has not been reconciled since" in refused(shadow)


def test_verdicts_on_what_came_before_the_stage_do_not_count(shadow: PsycopgConnection) -> None:
    judged(shadow, "before")
    said = refused(shadow)
    assert "no order pinned since has a verdict" in said
    assert "not been reconciled" not in said


def test_a_stage_that_was_judged_without_findings_is_left_and_the_audit_keeps_why(shadow: PsycopgConnection) -> None:
    judged(shadow, "order-1")
    moved = go_on(shadow, ramp_bp=500)
    assert isinstance(moved, Moved)
    assert (moved.evidence, moved.anyway) == ("judged since epoch 2: 1 shadow; findings: none", "")
    kept = shadow.execute("SELECT evidence FROM strangler.stage_move ORDER BY epoch").fetchall()
    assert kept[0] == ({},)
    assert (kept[1][0]["epoch"], kept[1][0]["judged"], "anyway" in kept[1][0]) == (2, {"shadow": 1}, False)


def test_a_reconciliation_from_before_the_last_move_is_too_old(shadow: PsycopgConnection) -> None:
    judged(shadow, "order-1")
    go_on(shadow, ramp_bp=500)
    pin(shadow, "order-2")
    said = refused(shadow, to=Stage.LIVE, ramp_bp=None)
    assert "search is at ramp 5% since epoch 3: has not been reconciled since; no order pinned since" in said
    assert "has not been reconciled since" in refused(shadow, ramp_bp=2_500), "a wider ramp is a move too"
    judged(shadow, "order-2")
    assert isinstance(go_on(shadow, Stage.LIVE), Moved)


@pytest.mark.parametrize("verdict", ["missing", "extra", "mismatch", "duplicate", "orphan"])
def test_findings_stand_in_the_way_until_they_are_gone(shadow: PsycopgConnection, verdict: str) -> None:
    judged(shadow, "order-1")
    judged(shadow, "before", verdict=verdict)
    said = refused(shadow)
    assert f"1 finding(s) stand: 1 {verdict}" in said
    assert "repair what was found, `strangler reconcile --step search --all`" in said
    shadow.execute("DELETE FROM strangler.verdict WHERE class = %s", (verdict,))
    assert isinstance(go_on(shadow, ramp_bp=500), Moved)


def test_what_could_not_be_judged_is_no_evidence(shadow: PsycopgConnection) -> None:
    judged(shadow, "order-1", unknown=3)
    assert "its last reconciliation could not judge 3 effect(s)" in refused(shadow)
    judged(shadow)
    assert isinstance(go_on(shadow, ramp_bp=500), Moved)


def test_the_way_back_and_a_smaller_ramp_need_nothing(shadow: PsycopgConnection) -> None:
    assert isinstance(go_on(shadow, ramp_bp=5_000, anyway=True), Moved)
    assert isinstance(go_on(shadow, ramp_bp=500), Moved)
    assert isinstance(rollback(shadow, plan, "search", **WHY), Moved)


def test_anyway_goes_on_and_the_history_says_what_was_lacking(
    shadow: PsycopgConnection,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    typed = ["advance", "search", "--ramp", "5%", "--reason", "the shop is closed", "--actor", "bob"]
    assert main([*typed, "--dry-run"]) == 1
    said = capsys.readouterr().err
    assert "refused: search is at shadow since epoch 2" in said
    assert main([*typed, "--anyway", "--dry-run"]) == 0
    assert "anyway: search is at shadow since epoch 2: has not been reconciled" in capsys.readouterr().out
    assert read_stages(shadow).epoch == 2
    assert main([*typed, "--anyway"]) == 0
    assert main(["history"]) == 0
    printed = capsys.readouterr().out
    assert "by bob: the shop is closed" in printed
    assert "anyway: search is at shadow since epoch 2: has not been reconciled since; no order" in printed
    assert stage_moves(shadow)[0].anyway.startswith("search is at shadow")


def test_many_verdicts_are_counted_to_a_bound(shadow: PsycopgConnection) -> None:
    judged(shadow, "order-1")
    many = "SELECT 'many-' || number FROM generate_series(1, %s) AS number"
    shadow.execute(
        f"INSERT INTO strangler.ownership SELECT ref, 2, 'epoch=2' FROM ({many}) AS t (ref)", (MOST_COUNTED,)
    )
    shadow.execute(
        "INSERT INTO strangler.verdict SELECT 'search', subject_ref, 100, 'match', 'shadow', '[]', '{}', run_id"
        " FROM strangler.ownership, strangler.reconciliation_run WHERE subject_ref LIKE 'many-%'"
    )
    moved = go_on(shadow, ramp_bp=500)
    assert isinstance(moved, Moved)
    assert f"{MOST_COUNTED} shadow" in moved.evidence
