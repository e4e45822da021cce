"""Orders that the new side owns, judged against the oracle: every class, by hand."""

from dataclasses import replace

from strangler.ownership import Owner
from strangler.reconcile.compare import judge
from strangler.reconcile.reasons import Reason, given_up
from strangler.reconcile.subject_evidence import Visibility
from tests.unit.judging import DOCUMENT, acted, case, document, mail, only, pending, verdicts

NEW = Owner.NEW


def test_a_mail_that_the_vendor_accepted_matches() -> None:
    assert only(case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail()])) == ("match", Reason.SAME, ())


def test_a_planned_mail_is_late_even_when_the_consumer_has_passed() -> None:
    given = case(NEW, oracle=[mail()], actual=[pending(mail())], ledger=[])

    assert only(given) == ("late", Reason.PENDING, ())


def test_a_mail_done_by_our_own_account_that_the_vendor_never_accepted_is_missing() -> None:
    given = case(NEW, oracle=[mail()], actual=[mail()], ledger=[])

    assert only(given) == ("missing", Reason.NOT_IN_LEDGER, ())


def test_it_is_missing_wherever_the_consumer_stands() -> None:
    given = case(NEW, oracle=[mail()], actual=[mail()], ledger=[], state=Visibility.BEHIND)

    assert only(given)[0] == "missing"


def test_a_mail_that_was_never_planned_is_missing_once_the_event_was_passed() -> None:
    assert only(case(NEW, oracle=[mail()], ledger=[])) == ("missing", Reason.NEVER_PLANNED, ())
    assert only(case(NEW, oracle=[mail()], ledger=[], state=Visibility.BEHIND)) == ("late", Reason.BEHIND, ())


def test_an_event_in_quarantine_is_late_and_says_so() -> None:
    assert only(case(NEW, oracle=[mail()], ledger=[], parked=True)) == ("late", Reason.PARKED, ())


def test_a_mail_in_the_ledger_that_the_new_side_has_not_claimed_was_sent_by_somebody_else() -> None:
    given = case(NEW, oracle=[mail()], ledger=[mail()], claims={})

    assert only(given) == ("extra", Reason.UNCLAIMED, ())


def test_two_mails_of_one_kind_are_a_duplicate() -> None:
    given = case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail(), mail(number=0)])

    assert only(given) == ("duplicate", Reason.REPEATED, ())


def test_as_many_mails_as_expected_are_no_duplicate() -> None:
    both = [mail(1), mail(2)]

    assert verdicts(case(NEW, version=2, oracle=both, actual=both, ledger=both)) == {100: "match", 200: "match"}


def test_a_mail_planned_twice_is_a_duplicate_before_it_is_sent() -> None:
    given = case(NEW, oracle=[mail()], actual=[mail(), pending(mail(number=101))], ledger=[mail()])

    assert only(given) == ("duplicate", Reason.PLANNED_TWICE, ())


def test_a_mail_that_nobody_wanted_is_extra() -> None:
    given = case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail(), mail(template="newsletter", number=900)])

    assert verdicts(given) == {100: "match", 900: "extra"}


def test_a_planned_mail_that_nobody_wants_is_extra() -> None:
    given = case(NEW, oracle=[], actual=[pending(mail())], ledger=[])

    assert only(given) == ("extra", Reason.PLANNED_UNWANTED, ())


def test_a_mail_with_another_total_is_a_mismatch_that_names_the_field() -> None:
    given = case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail(total_minor=251)])
    (found,) = judge(given)

    assert (found.verdict, found.fields) == ("mismatch", ("total_minor",))
    assert found.evidence == {"total_minor": {"expected": 250, "actual": 251}}


def test_a_mail_of_the_wrong_kind_is_one_mismatch_and_not_two_findings() -> None:
    given = case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail(template="cancelled")])

    assert only(given) == ("mismatch", Reason.OTHER_FIELDS, ("template",))


def test_a_seam_record_of_an_order_that_the_new_side_owns_says_that_both_acted() -> None:
    given = case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail()], seam=[acted(1, mail())])

    assert only(given) == ("extra", Reason.BOTH_ACTED, ())


def test_also_a_seam_record_without_intents() -> None:
    given = case(NEW, rules=DOCUMENT, version=2, oracle=[document(2)], actual=[document(2)], seam=[acted(1)])

    assert verdicts(given) == {100: "extra", 200: "match"}


def test_every_effect_of_such_a_record_is_extra() -> None:
    both = [mail(), mail(template="voucher", number=101)]

    given = case(NEW, oracle=both, actual=both, ledger=both, seam=[acted(1, *both)])
    assert verdicts(given) == {100: "extra", 101: "extra"}


def test_an_effect_that_the_oracle_cannot_number_is_not_held_against_the_claims() -> None:
    given = case(NEW, oracle=[mail(0, number=0)], actual=[], ledger=[mail(0, number=0)], claims={})

    assert only(given) == ("match", Reason.SAME, ())


def test_a_tombstone_before_legacy_has_run_is_late() -> None:
    given = case(NEW, oracle=[mail()], ledger=[], claims={100: "tombstone"})

    assert only(given) == ("late", Reason.HANDING_BACK, ())


def test_a_missing_row_is_missing_or_late_by_the_frontier() -> None:
    assert only(case(NEW, rules=DOCUMENT, oracle=[document(1)])) == ("missing", Reason.NOT_APPLIED, ())
    behind = case(NEW, rules=DOCUMENT, oracle=[document(1)], state=Visibility.BEHIND)
    assert only(behind) == ("late", Reason.BEHIND, ())


def test_an_older_row_is_missing_or_late_by_the_frontier() -> None:
    older = case(NEW, rules=DOCUMENT, version=2, oracle=[document(2)], actual=[document(1)])

    assert only(older) == ("missing", Reason.OLD_VERSION, ())
    assert only(replace(older, state=Visibility.BEHIND)) == ("late", Reason.BEHIND, ())


def test_a_row_newer_than_the_snapshot_is_late_until_legacy_is_read_again() -> None:
    newer = case(NEW, rules=DOCUMENT, oracle=[document(1)], actual=[document(2)])

    assert only(newer) == ("late", Reason.MOVED_ON, ())
    assert only(replace(newer, settled=True)) == ("mismatch", Reason.FUTURE_VERSION, ())


def test_a_wrong_row_of_the_right_version_is_a_mismatch_wherever_the_consumer_stands() -> None:
    wrong = case(NEW, rules=DOCUMENT, oracle=[document(1)], actual=[document(1, text="mug")])

    assert only(wrong) == ("mismatch", Reason.OTHER_FIELDS, ("text",))
    assert only(replace(wrong, state=Visibility.BEHIND))[0] == "mismatch"


def test_a_row_that_the_oracle_does_not_want_is_extra_unless_a_newer_version_is_on_its_way() -> None:
    left = case(NEW, rules=DOCUMENT, version=2, oracle=[], actual=[document(1)])

    assert only(left) == ("extra", Reason.UNWANTED, ())
    assert only(replace(left, state=Visibility.BEHIND)) == ("late", Reason.BEHIND, ())
    assert only(case(NEW, rules=DOCUMENT, actual=[document(1)], state=Visibility.BEHIND))[0] == "extra"


def test_two_rows_for_one_are_a_duplicate() -> None:
    given = case(NEW, rules=DOCUMENT, oracle=[document(1)], actual=[document(1), document(1, text="mug")])

    assert only(given) == ("duplicate", Reason.REPEATED, ())


def test_a_row_still_to_be_written_by_its_own_account_is_late() -> None:
    given = case(NEW, rules=DOCUMENT, oracle=[document(1)], actual=[pending(document(1))])

    assert only(given) == ("late", Reason.PENDING, ())


def test_nothing_is_said_of_an_order_without_a_reached_frontier() -> None:
    given = case(
        NEW, oracle=[mail()], ledger=[mail(template="x", number=7)], state=Visibility.UNKNOWN, why_unknown="no relay"
    )

    assert {(one.verdict.value, one.reason) for one in judge(given)} == {("unknown", "no relay")}
    assert len(judge(given)) == 2


def test_nothing_expected_and_nothing_there_is_nothing_to_say() -> None:
    assert verdicts(case(NEW, ledger=[])) == {}


CLAUSE = "policy:indexing.sampling.keep=0.1"


def test_what_was_given_up_by_a_clause_is_shed_and_says_by_which() -> None:
    given = case(NEW, oracle=[mail()], ledger=[], claims={100: "shed"}, shed={100: CLAUSE})

    assert only(given) == ("shed", given_up(CLAUSE), ())


def test_a_row_that_stays_old_because_its_change_was_given_up_is_shed() -> None:
    claims = {100: "applied", 200: "shed"}
    given = case(
        NEW, rules=DOCUMENT, version=2, oracle=[document(2)], actual=[document(1)], claims=claims, shed={200: CLAUSE}
    )

    assert verdicts(given) == {200: "shed"}


def test_a_lost_row_is_missing_also_where_a_later_version_was_given_up() -> None:
    claims = {100: "applied", 200: "shed"}
    given = case(NEW, rules=DOCUMENT, version=2, oracle=[document(2)], claims=claims, shed={200: CLAUSE})

    assert only(given) == ("missing", Reason.ROW_LOST, ())


def test_an_order_of_which_every_version_was_given_up_has_no_row_to_lose() -> None:
    shed = {100: CLAUSE, 200: CLAUSE}
    claims = dict.fromkeys(shed, "shed")

    assert verdicts(case(NEW, rules=DOCUMENT, version=2, oracle=[document(2)], claims=claims, shed=shed)) == {
        200: "shed"
    }


def test_a_claim_of_another_version_excuses_nothing() -> None:
    claims = {100: "shed", 200: "applied"}
    given = case(NEW, rules=DOCUMENT, version=2, oracle=[document(2)], claims=claims, shed={100: CLAUSE})

    assert only(given)[0] == "missing"


def test_a_claim_without_an_allowed_clause_excuses_nothing() -> None:
    given = case(NEW, rules=DOCUMENT, oracle=[document(1)], claims={100: "shed"})

    assert only(given) == ("missing", Reason.NOT_APPLIED, ())


def test_a_mail_that_was_given_up_and_sent_was_sent_by_somebody_else() -> None:
    given = case(NEW, oracle=[mail()], ledger=[mail()], claims={100: "shed"}, shed={100: CLAUSE})

    assert only(given) == ("extra", Reason.UNCLAIMED, ())


def test_what_was_done_after_all_matches() -> None:
    given = case(NEW, rules=DOCUMENT, oracle=[document(1)], actual=[document(1)], shed={})

    assert only(given)[0] == "match"


def test_a_wrong_row_is_no_better_for_what_was_given_up() -> None:
    wrong = document(2, text="mug")
    given = case(
        NEW, rules=DOCUMENT, version=2, oracle=[document(2)], actual=[wrong], claims={100: "shed"}, shed={100: CLAUSE}
    )

    assert only(given)[0] == "mismatch"
