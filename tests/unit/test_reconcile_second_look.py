"""What a second look confirms and dismisses: surplus backwards, absence at a second frontier."""

from dataclasses import replace

import pytest

from strangler.facts import Judgement, Verdict
from strangler.ownership import Owner
from strangler.reconcile.compare import judge
from strangler.reconcile.reasons import Reason
from strangler.reconcile.second_look import answered, second_look_needed
from strangler.reconcile.subject_evidence import Visibility
from tests.unit.judging import DOCUMENT, REF, acted, case, document, mail

LEGACY, NEW = Owner.LEGACY, Owner.NEW
LOST = case(NEW, oracle=[mail()], actual=[], claims={}, ledger=[])
SENT = case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail()])


def said(judgements: list[Judgement]) -> dict[int, tuple[str, str]]:
    return {one.number: (one.verdict.value, one.reason) for one in judgements}


def test_every_finding_needs_a_second_look_and_nothing_else() -> None:
    need = {verdict for verdict in Verdict if second_look_needed(Judgement("s", REF, 1, "new", verdict, "why"))}

    assert need == {Verdict.EXTRA, Verdict.ORPHAN, Verdict.DUPLICATE, Verdict.MISMATCH, Verdict.MISSING}
    assert second_look_needed(Judgement("s", REF, 1, "new", Verdict.LATE, Reason.MOVED_ON))


def test_surplus_is_confirmed_withdrawn_and_added_by_a_settled_case_alone() -> None:
    first = judge(case(LEGACY, seam=[], epoch=1, ledger=[mail(), mail(3, "x")], oracle=[mail(2, "gone")]))
    settled = judge(case(LEGACY, seam=[acted(1, mail(), mail(4, "away"))], ledger=[mail(), mail(3, "x"), mail(5, "y")]))
    result = {number: verdict for number, (verdict, _) in said(answered(first, settled, first)).items()}

    assert {number: verdict for number, (verdict, _) in said(first).items()} == {
        100: "extra",
        200: "missing",
        300: "orphan",
    }
    assert result == {100: "late", 200: "missing", 300: "orphan", 500: "orphan"}


def test_what_is_absent_at_both_frontiers_is_missing() -> None:
    assert said(answered(judge(LOST), [], judge(LOST))) == {100: ("missing", Reason.NEVER_PLANNED)}


def test_what_came_before_the_second_frontier_matches() -> None:
    assert said(answered(judge(LOST), [], judge(SENT))) == {100: ("match", Reason.SAME)}


@pytest.mark.parametrize(
    ("again", "verdict"),
    [
        (replace(LOST, state=Visibility.BEHIND), ("late", Reason.BEHIND)),
        (replace(LOST, state=Visibility.UNKNOWN, why_unknown="no relay"), ("unknown", "no relay")),
        (replace(LOST, new=replace(LOST.new, parked=True)), ("late", Reason.PARKED)),
        (replace(LOST, legacy=replace(LOST.legacy, handed_back="tombstoned")), ("late", Reason.HANDING_BACK)),
    ],
    ids=["behind", "no relay", "parked", "handed back"],
)
def test_what_the_second_frontier_cannot_confirm_is_not_missing(again: object, verdict: tuple[str, str]) -> None:
    assert said(answered(judge(LOST), [], judge(again))) == {100: verdict}  # type: ignore[arg-type]  # a case


def test_what_nobody_expects_any_more_is_the_next_runs() -> None:
    assert said(answered(judge(LOST), [], [])) == {100: ("late", Reason.MOVED_ON)}


def test_what_is_there_by_now_and_looks_wrong_is_the_next_runs() -> None:
    wrong = judge(case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail(total_minor=1)]))

    assert said(wrong)[100][0] == "mismatch"
    assert said(answered(judge(LOST), [], wrong)) == {100: ("late", Reason.MOVED_ON)}


def test_a_version_that_came_between_the_looks_neither_confirms_the_older_one_nor_is_judged_itself() -> None:
    first = judge(case(NEW, rules=DOCUMENT, oracle=[document(1)], claims={100: "applied"}))
    again = judge(case(NEW, rules=DOCUMENT, version=2, oracle=[document(2)]))

    assert (said(first)[100][0], said(again)) == ("missing", {200: ("missing", Reason.NOT_APPLIED)})
    assert said(answered(first, [], again)) == {100: ("late", Reason.MOVED_ON)}


def test_an_order_that_was_handed_back_between_the_looks_is_the_next_runs() -> None:
    again = case(LEGACY, oracle=[mail()], ledger=[mail()], claims={100: "tombstone"}, handed_back="done")

    assert said(answered(judge(LOST), [], judge(again))) == {100: ("match", Reason.SAME)}
    run_aside = case(LEGACY, rules=DOCUMENT, oracle=[document(1)], claims={100: "tombstone"}, handed_back="done")
    first = judge(case(NEW, rules=DOCUMENT, oracle=[document(1)], claims={}))
    assert said(answered(first, [], judge(run_aside))) == {100: ("late", Reason.MOVED_ON)}


def test_a_command_under_way_excuses_what_it_may_bring_and_nothing_that_was_due_before() -> None:
    """The facade still awaits the answer to a cancellation: version 2 of it may be there, version 1 must be."""
    lost = case(NEW, oracle=[mail()], actual=[], claims={}, ledger=[mail(2, "cancelled")], in_flight=True)
    first, settled = judge(lost), judge(replace(lost, settled=True))

    assert {number: verdict for number, (verdict, _) in said(first).items()} == {100: "missing", 200: "extra"}
    assert said(answered(first, settled, judge(lost))) == {
        100: ("missing", Reason.NEVER_PLANNED),
        200: ("late", Reason.MOVED_ON),
    }
