"""Orders that are not decided yet, and orders that were rejected: what may be there, and what must be undone."""

from dataclasses import replace

import pytest

from strangler.facts import Fact
from strangler.ownership import Owner
from strangler.reconcile.compare import judge
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import Rules, Visibility
from tests.unit.judging import case, pending, verdicts
from tests.unit.middle import (
    FRAUD,
    INVENTORY,
    PAYMENT,
    charge,
    charged,
    decision,
    fraud,
    maybe,
    observed,
    paid,
    pay,
    payment,
    refund,
    refused,
    reservation,
    said,
    score,
    stock,
    undone,
)  # fmt: skip

LEGACY, SHADOW, NEW = Owner.LEGACY, Owner.SHADOW, Owner.NEW
CLEARED = [score(), decision()]


# Pending orders


@pytest.mark.parametrize("state", Visibility)
@pytest.mark.parametrize(
    ("rules", "wanted", "ledger"),
    [(FRAUD, CLEARED, []), (PAYMENT, paid(), []), (INVENTORY, [reservation()], None)],
    ids=["fraud", "payment", "inventory"],
)
@pytest.mark.parametrize("owner", Owner)
def test_what_a_pending_order_does_not_have_is_late_whoever_owns_it(
    owner: Owner, rules: Rules, wanted: list[Fact], ledger: list[Fact] | None, state: Visibility
) -> None:
    given = case(owner, rules=rules, oracle=maybe(wanted), ledger=ledger, state=state, claims={})

    found = {one.number: (one.verdict.value, one.reason) for one in judge(given)}
    assert found[100] == ("late", Reason.UNDECIDED)
    assert {verdict for verdict, _ in found.values()} == {"late"}


def test_what_a_pending_order_has_is_compared() -> None:
    assert verdicts(fraud(score(), decision(), oracle=maybe(CLEARED))) == {100: "match", 101: "match"}
    assert verdicts(pay(charge(), payment(), ledger=[charged()], oracle=maybe(paid()))) == {100: "match", 101: "match"}
    assert verdicts(stock(reservation(pieces={"A": 3}), oracle=maybe([reservation()]))) == {100: "mismatch"}
    assert verdicts(pay(charge(), payment(), ledger=[charged(1)], oracle=maybe(paid())))[100] == "mismatch"


def test_a_refused_charge_of_a_pending_order_waits_for_the_rejection() -> None:
    given = pay(refused(charge()), ledger=[], oracle=maybe(paid()))

    assert said(given) == dict.fromkeys((100, 101), ("late", Reason.UNDECIDED))


def test_the_tail_has_no_business_with_a_pending_order() -> None:
    assert verdicts(stock(reservation(), oracle=[])) == {100: "extra"}


def test_a_shadow_of_a_pending_order_is_compared_as_ever() -> None:
    seam, decided = observed(1, *CLEARED), observed(1, score(), decision(41))
    given = case(SHADOW, rules=FRAUD, oracle=maybe(CLEARED), seam=[seam], recorded=[seam], ledger=[score()])

    assert verdicts(given) == {100: "match", 101: "match"}
    assert verdicts(replace(given, new=replace(given.new, recorded=[decided]))) == {100: "match", 101: "mismatch"}


# Rejected orders


def test_an_order_that_the_provider_refused_has_a_refused_charge_and_nothing_else() -> None:
    given = pay(refused(charge()), ledger=[], oracle=undone(refused=True))

    assert said(given) == {100: ("match", Reason.SAME)}


def test_an_order_rejected_at_its_payment_that_nobody_refused_is_missing_its_refusal() -> None:
    given = pay(ledger=[], oracle=undone(refused=True))

    assert said(given) == {100: ("missing", Reason.NEVER_REFUSED)}
    assert said(replace(given, state=Visibility.BEHIND)) == {100: ("late", Reason.BEHIND)}
    assert verdicts(pay(refused(charge(1)), ledger=[], oracle=undone(refused=True))) == {100: "mismatch"}


@pytest.mark.parametrize("at_payment", [True, False])
def test_a_rejected_order_that_was_charged_must_be_refunded(at_payment: bool) -> None:
    wanted = undone(refused=at_payment)
    done = pay(charge(), payment(state="refunded"), refund(), ledger=[charged(), refund()], oracle=wanted)
    planned = pay(charge(), payment(), pending(refund()), ledger=[charged()], oracle=wanted)
    forgotten = pay(charge(), payment(), ledger=[charged()], oracle=wanted)
    lost = pay(charge(), payment(), refund(), ledger=[charged()], oracle=wanted, state=Visibility.BEHIND)

    assert verdicts(done) == {100: "match", 101: "match", 150: "match"}
    assert said(planned)[150] == ("late", Reason.PENDING)
    assert said(forgotten)[150] == ("missing", Reason.NEVER_PLANNED)
    assert said(replace(forgotten, state=Visibility.BEHIND))[150] == ("late", Reason.BEHIND)
    assert said(lost)[150] == ("missing", Reason.NOT_IN_LEDGER)


def test_a_charge_on_its_way_to_a_rejected_order_is_late_and_so_is_its_refund() -> None:
    given = pay(pending(charge()), ledger=[], oracle=undone(refused=True))

    assert said(given)[100] == ("late", Reason.PENDING)
    assert verdicts(given)[150] == "missing"
    assert verdicts(replace(given, state=Visibility.BEHIND))[150] == "late"


def test_a_refund_of_an_order_that_stands_is_extra() -> None:
    given = pay(charge(), payment(state="refunded"), refund(), ledger=[charged(), refund()])

    assert verdicts(given) == {100: "match", 101: "mismatch", 150: "extra"}
    assert verdicts(pay(charge(), payment(), pending(refund()), ledger=[charged()]))[150] == "extra"


def test_a_refund_without_a_charge_is_extra() -> None:
    assert verdicts(pay(refused(charge()), ledger=[refund()], oracle=undone(refused=True)))[150] == "extra"


def test_an_order_that_ended_before_its_charge_is_refunded_all_the_same_so_that_none_can_come() -> None:
    assert verdicts(pay(refund(), ledger=[refund()], oracle=undone())) == {150: "match"}
    assert said(pay(ledger=[], oracle=undone())) == {150: ("missing", Reason.NEVER_PLANNED)}


def test_a_refund_of_another_charge_or_amount_is_a_mismatch() -> None:
    other = replace(refund(), fields={**refund().fields, "order_ref": "else"})
    rows = (charge(), payment(), refund())

    assert verdicts(pay(*rows, ledger=[charged(), other], oracle=undone()))[150] == "mismatch"
    assert verdicts(pay(*rows, ledger=[charged(), refund(1)], oracle=undone()))[150] == "mismatch"


def test_two_refunds_are_a_duplicate() -> None:
    again = replace(refund(), number=0)
    given = pay(charge(), payment(), refund(), ledger=[charged(), refund(), again], oracle=undone())

    assert verdicts(given)[150] == "duplicate"


def test_stock_of_a_rejected_order_must_be_released() -> None:
    released, wanted = reservation(2, {}), [reservation(2, {})]

    assert verdicts(stock(released, oracle=wanted, version=2)) == {200: "match"}
    kept = stock(reservation(), oracle=wanted, version=2)
    assert said(kept) == {200: ("missing", Reason.OLD_VERSION)}
    assert said(replace(kept, state=Visibility.BEHIND)) == {200: ("late", Reason.BEHIND)}


def test_stock_that_is_kept_for_an_order_that_was_refused_earlier_is_extra() -> None:
    given = stock(reservation(), oracle=[], version=2)

    assert said(given) == {100: ("extra", Reason.UNWANTED)}
    assert said(replace(given, state=Visibility.BEHIND)) == {100: ("late", Reason.BEHIND)}


def test_a_release_that_the_snapshot_does_not_know_of_is_late_until_legacy_is_read_again() -> None:
    given = stock(reservation(2, {}), oracle=maybe([reservation()]))

    assert said(given) == {100: ("late", Reason.MOVED_ON)}
    assert said(replace(given, settled=True)) == {100: ("mismatch", Reason.FUTURE_VERSION)}


def test_a_shadow_of_a_refusal_that_legacy_rolled_back_is_compared_with_nothing() -> None:
    decided = observed(1, charge(), payment())
    given = case(SHADOW, rules=PAYMENT, version=2, recorded=[decided], ledger=[], rejected_by="payment")
    elsewhere = case(SHADOW, rules=PAYMENT, version=2, recorded=[decided], ledger=[], rejected_by="inventory")

    assert verdicts(given) == {}
    assert verdicts(elsewhere) == {100: "missing", 101: "missing"}
