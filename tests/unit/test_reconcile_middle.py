"""Fraud, inventory and payment judged: the calls and the rows of one step, each against its own evidence."""

from dataclasses import replace

from strangler.facts import TARGET, Fact
from strangler.ownership import Owner
from strangler.reconcile.compare import judge
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import Visibility
from tests.unit.judging import REF, case, only, pending, verdicts
from tests.unit.middle import (
    FRAUD,
    INVENTORY,
    PAYMENT,
    charge,
    charged,
    decision,
    fraud,
    observed,
    paid,
    pay,
    payment,
    refund,
    refused,
    reservation,
    said,
    score,
)  # fmt: skip

LEGACY, SHADOW, NEW = Owner.LEGACY, Owner.SHADOW, Owner.NEW
CLEARED = [score(), decision()]


# A step with a vendor and a row of its own


def test_a_call_is_held_against_the_ledger_and_a_row_against_the_row() -> None:
    assert verdicts(fraud(score(), decision())) == {100: "match", 101: "match"}
    assert verdicts(pay(charge(), payment(), ledger=[charged()])) == {100: "match", 101: "match"}


def test_a_decision_that_the_score_does_not_carry_is_a_mismatch() -> None:
    (_, found) = judge(fraud(score(), decision(40, "refused")))

    assert (found.number, found.verdict.value, found.fields) == (101, "mismatch", ("verdict",))


def test_a_row_without_its_call_and_a_call_without_its_row_are_told_apart() -> None:
    assert said(fraud(decision(), ledger=[])) == {100: ("missing", Reason.NEVER_PLANNED), 101: ("match", Reason.SAME)}
    assert said(fraud(score())) == {100: ("match", Reason.SAME), 101: ("missing", Reason.NOT_APPLIED)}


def test_the_row_is_late_while_the_vendor_has_not_answered() -> None:
    assert said(fraud(pending(score()), ledger=[])) == dict.fromkeys((100, 101), ("late", Reason.PENDING))


def test_a_charge_that_the_provider_forgot_is_missing_and_nothing_else_is_said() -> None:
    """The ledger alone knows the charge's name: without it, the payment's is not held against it."""
    given = pay(charge(), payment(), ledger=[])

    assert said(given) == {100: ("missing", Reason.NOT_IN_LEDGER), 101: ("match", Reason.SAME)}


def test_a_payment_under_another_charge_than_the_providers_is_a_mismatch() -> None:
    (_, found) = judge(pay(charge(), payment("ch_8"), ledger=[charged()]))

    assert (found.number, found.verdict.value, found.fields) == (101, "mismatch", ("charge_id",))


def test_a_second_charge_is_a_duplicate_also_when_it_is_only_planned() -> None:
    assert verdicts(pay(charge(), payment(), ledger=[charged(), charged(number=0)]))[100] == "duplicate"
    twice = pay(charge(), pending(charge(number=102)), payment(), ledger=[charged()])
    assert said(twice)[100] == ("duplicate", Reason.PLANNED_TWICE)


def test_a_charge_of_another_amount_is_a_mismatch() -> None:
    assert verdicts(pay(charge(), payment(), ledger=[charged(251)])) == {100: "mismatch", 101: "match"}


def test_a_charge_that_nobody_claimed_was_made_by_somebody_else() -> None:
    given = case(NEW, rules=PAYMENT, oracle=paid(), ledger=[charged()], claims={}, state=Visibility.BEHIND)

    assert said(given) == {100: ("extra", Reason.UNCLAIMED), 101: ("late", Reason.BEHIND)}


def test_a_refused_effect_is_no_effect_and_an_accepted_order_misses_it() -> None:
    given = pay(refused(charge()), ledger=[])

    assert said(given)[100] == ("missing", Reason.REFUSED)
    assert said(replace(given, state=Visibility.BEHIND))[100] == ("missing", Reason.REFUSED)


def test_a_row_that_nobody_wanted_is_extra_beside_a_ledger_too() -> None:
    assert verdicts(pay(payment(), ledger=[], oracle=[])) == {101: "extra"}


def test_two_rows_of_one_order_are_a_duplicate() -> None:
    assert verdicts(fraud(score(), decision(), decision())) == {100: "match", 101: "duplicate"}


# Orders of legacy


def test_legacys_call_is_held_against_the_ledger_and_its_row_against_the_shadow() -> None:
    both = observed(1, charge(), payment())
    given = case(SHADOW, rules=PAYMENT, oracle=paid(), seam=[both], recorded=[both], ledger=[charged()])

    assert verdicts(given) == {100: "match", 101: "match"}
    assert verdicts(replace(given, ledger=[])) == {100: "missing", 101: "match"}
    assert verdicts(replace(given, ledger=[charged(), charged(number=0)])) == {100: "duplicate", 101: "match"}
    assert verdicts(replace(given, ledger=[charged(), refund()])) == {100: "match", 101: "match", 150: "extra"}


def test_where_legacys_record_is_lost_its_row_is_not_asked_of_the_ledger() -> None:
    given = case(LEGACY, rules=PAYMENT, oracle=paid(), ledger=[charged()])

    assert verdicts(given) == {100: "match"}
    assert verdicts(replace(given, ledger=[])) == {100: "missing"}


def test_a_shadow_that_misreads_an_outcome_is_a_mismatch_under_its_own_number() -> None:
    seam, decided = observed(1, charge(), payment()), observed(1, charge(), payment("ch_8"))
    given = case(SHADOW, rules=PAYMENT, seam=[seam], recorded=[decided], ledger=[charged()])

    assert verdicts(given) == {100: "match", 101: "mismatch"}


def test_the_new_side_may_not_touch_what_legacy_owns() -> None:
    for owner in (LEGACY, SHADOW):
        acts = observed(1, reservation())
        given = case(owner, rules=INVENTORY, seam=[acts], recorded=[acts], actual=[reservation()])
        assert only(given) == ("extra", Reason.NEW_ACTED, ())


def test_a_question_about_an_order_that_was_never_stored_is_no_orphan_and_a_charge_is() -> None:
    assert verdicts(case(None, rules=FRAUD, ledger=[score()])) == {}
    assert verdicts(case(None, rules=FRAUD, ledger=[], actual=[decision()])) == {101: "orphan"}
    assert verdicts(case(None, rules=PAYMENT, ledger=[charged()])) == {100: "orphan"}


def test_a_ledger_that_has_no_words_of_its_own_is_compared_without_them() -> None:
    plain = Fact(REF, 100, 0, {"order_ref": REF, "amount_minor": 250})
    rules = replace(PAYMENT, identity=lambda fields: str(fields.get(TARGET, "payments.charge")))
    given = case(LEGACY, rules=rules, seam=[observed(1, charge())], ledger=[plain])

    assert verdicts(given) == {100: "match"}
