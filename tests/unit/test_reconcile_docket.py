"""What a run reports and stores, given what earlier runs have said."""

from collections.abc import Iterable, Mapping

from strangler.facts import FINDINGS, Judgement, Verdict
from strangler.reconcile.report import MAX_CHANGES, MAX_SHOWN, Report
from strangler.reconcile.verdict_changes import Key, VerdictChanges
from strangler.subject import Subject

STEP = "mailing"


def said(verdict: Verdict, order_ref: str = "order-1", number: int = 100, owner: str = "new") -> Judgement:
    return Judgement(STEP, order_ref, number, owner, verdict, f"reason of {verdict}")


def hold(
    judged: Iterable[Judgement],
    stored: Mapping[Key, Verdict] | None = None,
    *,
    everything: bool = False,
    unknown: str = "",
    looked_at: int = 1,
) -> tuple[Report, VerdictChanges]:
    report = Report("new", "run", (STEP,))
    report.unknown[STEP], report.looked_at[STEP] = unknown, looked_at
    report.known[STEP] = len(stored or {})
    docket = VerdictChanges(report, {STEP: stored or {}}, everything=everything)
    docket.enter([one] for one in judged)
    docket.close()
    return report, docket


KEY: Key = ("order-1", 100)


def test_final_verdicts_are_stored_and_others_are_only_reported() -> None:
    every = [said(verdict, number=number) for number, verdict in enumerate(Verdict)]
    report, docket = hold(every)

    assert {one.verdict for one in docket.final} == set(Verdict) - {Verdict.LATE, Verdict.SHED, Verdict.UNKNOWN}
    assert sum(report.counts[STEP].values()) == len(Verdict)
    assert {one.verdict for one in report.judgements} == set(Verdict) - {Verdict.MATCH, Verdict.ACTED}


def test_a_final_verdict_is_not_said_twice() -> None:
    for verdict in (Verdict.MATCH, Verdict.MISSING):
        report, docket = hold([said(Verdict.MISSING)], {KEY: verdict})
        assert (report.counts[STEP].total(), docket.final) == (0, [])


def test_a_match_does_not_hide_what_came_later() -> None:
    for verdict in (Verdict.DUPLICATE, Verdict.EXTRA):
        report, docket = hold([said(verdict)], {KEY: Verdict.MATCH})
        assert report.counts[STEP][verdict] == 1
        assert report.changes[0].before == "match"
        assert docket.final


def test_what_was_done_by_one_account_is_said_again_when_another_confirms_it() -> None:
    for before in (Verdict.ACTED, Verdict.FAILED):
        report, docket = hold([said(Verdict.MATCH)], {KEY: before})
        assert (report.counts[STEP], len(docket.final)) == ({Verdict.MATCH: 1}, 1)
        assert hold([said(before)], {KEY: before})[1].final == []
    assert hold([said(Verdict.ACTED)], {KEY: Verdict.MATCH})[1].final == []


def test_what_contradicts_one_accounts_word_is_news() -> None:
    for before in (Verdict.ACTED, Verdict.FAILED):
        for now in FINDINGS:
            report, docket = hold([said(now)], {KEY: before})
            assert (report.exit_code, [one.verdict for one in docket.final]) == (1, [now])
        assert hold([said(Verdict.LATE)], {KEY: before})[1].final == []


def test_a_run_that_judged_nothing_has_proved_nothing_and_says_so() -> None:
    report = hold([])[0]

    assert report.exit_code == 3
    assert report.lines(Subject("order", table="t"))[0].startswith("nothing was judged")
    assert hold([], {KEY: Verdict.MATCH})[0].exit_code == 0
    assert hold([said(Verdict.LATE)])[0].exit_code == 0


def test_a_run_that_looked_at_nothing_says_so() -> None:
    lines = hold([], looked_at=0)[0].lines(Subject("order", table="t"))

    assert lines[0] == "nothing was looked at: there is no order, and no side speaks of one"


def test_an_orphan_whose_order_came_is_judged() -> None:
    assert hold([said(Verdict.MATCH)], {KEY: Verdict.ORPHAN})[0].counts[STEP] == {Verdict.MATCH: 1}
    assert hold([said(Verdict.ORPHAN)], {KEY: Verdict.ORPHAN})[0].counts[STEP].total() == 0


def test_standing_findings_keep_the_exit_code_at_one() -> None:
    for verdict in FINDINGS:
        report, _ = hold([said(verdict)], {KEY: verdict})

        assert report.counts[STEP].total() == 0
        assert report.standing[STEP] == {verdict: 1}
        assert report.exit_code == 1


def test_what_was_missing_and_is_there_by_now_is_said_by_the_next_run() -> None:
    """Also what an earlier release called missing without a second look."""
    for verdict in (Verdict.MATCH, Verdict.MISMATCH, Verdict.DUPLICATE):
        report, docket = hold([said(verdict)], {KEY: Verdict.MISSING})

        assert [(change.before, change.after) for change in report.changes] == [("missing", verdict)]
        assert [one.verdict for one in docket.final] == [verdict]
        assert report.standing[STEP].total() == 0


def test_what_was_missing_and_is_late_by_now_stands_until_it_is_decided() -> None:
    for verdict in (Verdict.LATE, Verdict.SHED, Verdict.UNKNOWN):
        report, docket = hold([said(verdict)], {KEY: Verdict.MISSING})

        assert (report.standing[STEP], docket.final, report.changes) == ({Verdict.MISSING: 1}, [], [])


def test_what_was_missing_and_nobody_expects_any_more_is_gone() -> None:
    report, docket = hold([], {KEY: Verdict.MISSING})

    assert docket.gone == [(STEP, *KEY)]
    assert [(change.before, change.after) for change in report.changes] == [("missing", "")]
    assert report.exit_code == 0
    assert hold([], {KEY: Verdict.MISSING}, unknown="no relay")[0].standing[STEP] == {Verdict.MISSING: 1}
    assert hold([], {KEY: Verdict.EXTRA})[0].standing[STEP] == {Verdict.EXTRA: 1}


def test_an_audit_says_all_again_and_names_what_changed() -> None:
    stored = {KEY: Verdict.MATCH, ("order-2", 100): Verdict.MISSING, ("order-3", 100): Verdict.MATCH}
    again = [said(Verdict.MISMATCH), said(Verdict.MATCH, "order-2"), said(Verdict.MATCH, "order-3")]
    report, docket = hold(again, stored, everything=True)

    assert report.counts[STEP] == {Verdict.MISMATCH: 1, Verdict.MATCH: 2}
    assert {(change.subject_ref, change.before, change.after) for change in report.changes} == {
        ("order-1", "match", "mismatch"),
        ("order-2", "missing", "match"),
    }
    assert (docket.gone, report.standing[STEP].total()) == ([], 0)


def test_a_finding_that_an_audit_no_longer_finds_is_gone() -> None:
    report, docket = hold([], {("order-1", 0): Verdict.EXTRA}, everything=True)

    assert docket.gone == [(STEP, "order-1", 0)]
    assert report.changes[0].after == ""
    assert report.exit_code == 0


def test_a_finding_that_could_not_be_judged_again_stands() -> None:
    assert hold([said(Verdict.LATE)], {KEY: Verdict.MISSING}, everything=True)[0].standing[STEP].total() == 1
    unread = hold([], {KEY: Verdict.EXTRA}, everything=True, unknown="no relay")
    assert (unread[0].standing[STEP].total(), unread[1].gone) == (1, [])


def test_a_verdict_of_one_step_does_not_lift_a_finding_of_another() -> None:
    report = Report("new", "run", (STEP, "indexing"))
    docket = VerdictChanges(report, {STEP: {}, "indexing": {KEY: Verdict.EXTRA}}, everything=False)
    docket.enter([[said(Verdict.MATCH)]])
    docket.close()

    assert report.standing["indexing"] == {Verdict.EXTRA: 1}


def test_named_changes_are_bounded() -> None:
    stored = {(f"order-{number}", 0): Verdict.EXTRA for number in range(MAX_CHANGES + 5)}
    report, docket = hold([], stored, everything=True)

    assert (len(report.changes), len(docket.gone)) == (MAX_CHANGES, MAX_CHANGES + 5)


def test_exit_codes() -> None:
    assert hold([], {KEY: Verdict.MATCH})[0].exit_code == 0
    assert hold([said(Verdict.MATCH), said(Verdict.LATE, number=101)])[0].exit_code == 0
    assert hold([said(Verdict.ACTED), said(Verdict.FAILED, number=101)])[0].exit_code == 0
    assert hold([said(Verdict.UNKNOWN)])[0].exit_code == 3
    assert hold([], looked_at=0)[0].exit_code == 3
    assert hold([], unknown="no relay")[0].exit_code == 3
    for verdict in (Verdict.MISSING, Verdict.EXTRA, Verdict.MISMATCH, Verdict.DUPLICATE, Verdict.ORPHAN):
        assert hold([said(Verdict.UNKNOWN), said(verdict, number=101)])[0].exit_code == 1


def test_orders_count_once_by_owner_and_only_with_a_final_verdict() -> None:
    report, docket = hold([])
    docket.enter([[said(Verdict.MATCH), said(Verdict.MATCH, number=200)], [said(Verdict.LATE, "order-2")]])

    assert report.by_owner[STEP] == {"new": 1}


def test_shown_findings_are_bounded_and_counted_all() -> None:
    many = [said(Verdict.LATE, f"order-{number}") for number in range(MAX_SHOWN + 5)]
    report, _ = hold([*many, said(Verdict.MISSING, "lost")])

    assert report.counts[STEP][Verdict.LATE] == MAX_SHOWN + 5
    assert len(report.judgements) == MAX_SHOWN + 1
    assert report.to_json()["judgements_left_out"] == 5


def test_lines_say_it_in_words() -> None:
    report, _ = hold([said(Verdict.MATCH), said(Verdict.MISSING, "lost")])

    assert report.lines(Subject("booking")) == [
        "mailing: 2 effects of 2 bookings compared (new 2): 1 match, 1 missing",
        "  1 effect MISSING: reason of missing (lost)",
    ]
