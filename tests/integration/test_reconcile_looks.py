"""What happens between the reads of one run: what is only not there yet is no finding, and no loss hides in it."""

import pytest

from strangler.ownership import Owner
from strangler.reconcile.reasons import Reason
from tests.integration.reconcile_plan import INDEXING, MAILING, plan
from tests.integration.reconcile_town import Town, counted, found
from tests.integration.reconcile_watch import watched


@pytest.mark.parametrize("owner", [Owner.LEGACY, Owner.SHADOW])
def test_an_order_that_is_decided_between_the_two_reads_is_not_missing(town: Town, owner: Owner) -> None:
    """The shadow has recorded what legacy's snapshot has no record of: the rest of the chain ran in between."""
    town.keep_pending("order-1", owner)

    def decide() -> None:
        town.place("order-1", owner)
        if owner is Owner.SHADOW:
            town.decide("order-1")

    early = town.judge(by=watched(plan, after_legacy={1: decide}))
    later = town.judge()

    assert town.execute("SELECT * FROM strangler.verdict WHERE class = 'missing'") == []
    assert {(one.verdict.value, one.reason) for one in early.judgements} <= {("late", Reason.UNDECIDED)}
    assert early.exit_code == 0
    assert later.counts[MAILING]["match"] == 1


def test_a_plan_that_tells_no_order_undecided_is_saved_by_the_second_frontier(town: Town) -> None:
    """Its snapshot shows version 1 without a record; the second one has it."""
    town.keep_pending("order-1", Owner.SHADOW)
    town.execute("UPDATE town.orders SET undecided = false")

    def decide() -> None:
        town.place("order-1", Owner.SHADOW)
        town.decide("order-1")

    report = town.judge(by=watched(plan, after_legacy={1: decide}))

    assert counted(report)[INDEXING] == {"match": 1}
    assert report.second_looks[INDEXING] == {"missing_asked": 1, "missing_dismissed": 1}


def test_what_comes_after_the_first_frontier_is_found_at_the_second(town: Town) -> None:
    town.place("new-1", Owner.NEW)

    report = town.judge(by=watched(plan, after_new={1: lambda: town.act("new-1")}))

    assert counted(report) == {MAILING: {"match": 1}, INDEXING: {"match": 1}}
    assert report.second_looks[INDEXING]["missing_dismissed"] == 1
    assert report.exit_code == 0


def test_what_is_absent_at_both_frontiers_is_missing_and_the_run_says_where_they_were(town: Town) -> None:
    town.place("new-1", Owner.NEW)
    report = town.judge()

    assert counted(report) == {MAILING: {"missing": 1}, INDEXING: {"missing": 1}}
    assert report.second_looks[MAILING] == {"missing_asked": 1}
    assert report.frontier["second"]["lsn"] >= report.frontier["lsn"]


def test_without_a_candidate_there_is_no_second_frontier(town: Town) -> None:
    town.place("new-1", Owner.NEW)
    town.act("new-1")

    assert "second" not in town.judge().frontier


def test_while_the_second_frontier_is_not_reached_nothing_is_missing(town: Town) -> None:
    """An event that comes in between must be passed first; while it is not, its lane's orders are late."""
    town.place("new-1", Owner.NEW)
    report = town.judge(by=watched(plan, after_new={1: lambda: town.publish("new-1")}), timeout_s=3)

    assert counted(report) == {MAILING: {"late": 1}, INDEXING: {"late": 1}}
    assert {one.reason for one in report.judgements} == {Reason.BEHIND}
    assert town.execute("SELECT * FROM strangler.verdict") == []


def test_a_relay_that_goes_away_in_between_leaves_it_unknown(database: str, bootstrap: str, topic_prefix: str) -> None:
    town = Town(database, bootstrap, topic_prefix)
    town.make_slot()
    town.pass_lanes()
    town.place("new-1", Owner.NEW)
    following = town.confirming()
    following.__enter__()
    report = town.judge(by=watched(plan, after_new={1: lambda: following.__exit__(None, None, None)}), timeout_s=3)
    town.close()

    assert counted(report) == {MAILING: {"unknown": 1}, INDEXING: {"unknown": 1}}
    assert "no relay is connected" in report.judgements[0].reason
    assert report.exit_code == 3


def test_a_version_that_comes_between_the_looks_leaves_both_to_the_next_run(town: Town) -> None:
    town.place("new-1", Owner.NEW)
    report = town.judge(by=watched(plan, after_new={1: lambda: town.place("new-1", Owner.NEW, 2)}))
    town.act("new-1")
    town.act("new-1", 2)

    assert counted(report) == {MAILING: {"missing": 1}, INDEXING: {"late": 1}}
    assert found(report) == {(MAILING, "new-1", 100, "missing"), (INDEXING, "new-1", 100, "late")}
    assert counted(town.judge()) == {MAILING: {"match": 2}, INDEXING: {"match": 1}}


@pytest.mark.parametrize("everything", [False, True])
def test_what_an_earlier_release_called_missing_too_early_is_corrected_and_said(town: Town, everything: bool) -> None:
    town.place("order-1", Owner.SHADOW)
    town.decide("order-1")
    town.execute(
        "INSERT INTO strangler.reconciliation_run (run_id, scope, frontier, counts, started_at, ended_at)"
        " VALUES ('00000000-0000-0000-0000-000000000001', 'new', '{}', '{}', now(), now())"
    )
    town.execute(
        "INSERT INTO strangler.verdict (step, subject_ref, number, class, owner, fields, detail, run_id)"
        " VALUES (%s, 'order-1', 100, 'missing', 'shadow', '[]', '{}', '00000000-0000-0000-0000-000000000001')",
        INDEXING,
    )
    report = town.judge(everything=everything)

    assert [(one.step, one.before, one.after) for one in report.changes] == [(INDEXING, "missing", "match")]
    assert report.exit_code == 0
    assert town.execute("SELECT class, detail ->> 'before' FROM strangler.verdict WHERE step = %s", INDEXING) == [
        ("match", "missing")
    ]


def test_what_was_missing_stands_as_long_as_it_is(town: Town) -> None:
    town.place("new-1", Owner.NEW)
    town.judge()
    again = town.judge()
    town.act("new-1")
    healed = town.judge()

    assert (counted(again), again.exit_code) == ({MAILING: {}, INDEXING: {}}, 1)
    assert again.standing[MAILING].total() == 1
    assert "second" not in again.frontier
    assert {(one.step, one.before, one.after) for one in healed.changes} == {
        (MAILING, "missing", "match"),
        (INDEXING, "missing", "match"),
    }
    assert healed.exit_code == 0
