"""Orders that are stored and not decided: nothing of them is missing, and nothing unwanted that they may yet want."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from strangler.facts import KIND, TARGET, Fact
from strangler.ownership import Owner
from strangler.reconcile.compare import judge
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import SubjectEvidence
from tests.unit.judging import DOCUMENT, acted, case, document, mail, verdicts
from tests.unit.middle import PAYMENT, charge, charged, observed, paid, payment, refund, refused

LEGACY, SHADOW, NEW = Owner.LEGACY, Owner.SHADOW, Owner.NEW

# What a judge that knows nothing of undecided orders calls missing, each by another path.
ABSENT: dict[str, Callable[[], SubjectEvidence]] = {
    "the shadow was quicker": lambda: case(SHADOW, rules=DOCUMENT, recorded=[acted(1, document(1))]),
    "the shadow's mail": lambda: case(SHADOW, recorded=[acted(1, mail())], ledger=[]),
    "an oracle that marks nothing": lambda: case(LEGACY, rules=DOCUMENT, oracle=[document(1)]),
    "legacy's vendor": lambda: case(LEGACY, oracle=[mail()], ledger=[]),
    "a backfilled row": lambda: case(LEGACY, rules=DOCUMENT, oracle=[document(1)], claims={100: "backfilled"}),
    "no decision": lambda: case(SHADOW, rules=DOCUMENT, seam=[acted(1, document(1))]),
    "the shadow wants less": lambda: case(SHADOW, rules=DOCUMENT, seam=[acted(1, document(1))], recorded=[acted(1)]),
    "no row": lambda: case(NEW, rules=DOCUMENT, oracle=[document(1)]),
    "an old row": lambda: case(NEW, rules=DOCUMENT, version=2, oracle=[document(2)], actual=[document(1)]),
    "never planned": lambda: case(NEW, oracle=[mail()], ledger=[]),
    "not in the ledger": lambda: case(NEW, oracle=[mail()], actual=[mail()], ledger=[]),
    "refused": lambda: case(NEW, oracle=[mail()], actual=[replace(mail(), refused=True)], ledger=[]),
    "never refused": lambda: case(NEW, oracle=[replace(mail(), refused=True)], ledger=[]),
    "a given-up version over a lost row": lambda: case(
        NEW, rules=DOCUMENT, version=2, oracle=[document(2)], claims={100: "applied"}, shed={200: "policy:x"}
    ),
}
UNWANTED: dict[str, Callable[[], SubjectEvidence]] = {
    "legacy called, and was rolled back": lambda: case(LEGACY, ledger=[mail()]),
    "of a coming version": lambda: case(LEGACY, ledger=[mail(2)]),
    "a row": lambda: case(NEW, rules=DOCUMENT, actual=[document(1)]),
    "a planned mail": lambda: case(NEW, actual=[replace(mail(), pending=True)], ledger=[]),
    "a mail": lambda: case(NEW, ledger=[mail()]),
    "a coming version's row": lambda: case(NEW, rules=DOCUMENT, oracle=[document(1)], actual=[document(2)]),
    "a coming version's record": lambda: case(SHADOW, rules=DOCUMENT, recorded=[acted(2, document(2))]),
}


def undecided(given: SubjectEvidence) -> SubjectEvidence:
    assert given.legacy.order is not None
    return replace(given, legacy=replace(given.legacy, order=replace(given.legacy.order, undecided=True)))


@pytest.mark.parametrize("name", ABSENT)
@pytest.mark.parametrize("settled", [False, True])
def test_nothing_of_an_undecided_order_is_missing(name: str, settled: bool) -> None:
    given = replace(ABSENT[name](), settled=settled)

    assert "missing" in verdicts(given).values()
    found = judge(undecided(given))
    assert {(one.verdict.value, one.reason) for one in found} == {("late", Reason.UNDECIDED)}


@pytest.mark.parametrize("name", UNWANTED)
def test_what_an_undecided_order_may_yet_want_is_not_unwanted(name: str) -> None:
    given = replace(UNWANTED[name](), settled=True)

    assert set(verdicts(given).values()) & {"extra", "orphan", "mismatch"}
    assert {(one.verdict.value, one.reason) for one in judge(undecided(given))} == {("late", Reason.UNDECIDED)}


def test_what_no_decision_can_excuse_is_found_at_once() -> None:
    twice = case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail(), mail(number=0)])
    other = case(NEW, oracle=[mail()], actual=[mail()], ledger=[mail(total_minor=1)])

    assert verdicts(undecided(twice)) == {100: "duplicate"}
    assert verdicts(undecided(other)) == {100: "mismatch"}
    assert verdicts(undecided(case(LEGACY, rules=DOCUMENT, claims={100: "applied"}))) == {100: "extra"}
    assert verdicts(undecided(case(NEW, rules=DOCUMENT, seam=[acted(1)], claims={}))) == {100: "extra"}


def test_what_is_there_of_an_undecided_order_is_compared() -> None:
    both = case(SHADOW, rules=DOCUMENT, seam=[acted(1, document(1))], recorded=[acted(1, document(1))])

    assert verdicts(undecided(both)) == {100: "match"}


def test_a_claim_on_an_orders_charge_before_its_decision_says_nothing_of_its_refund() -> None:
    rows = (charge(), payment())
    given = case(NEW, rules=PAYMENT, oracle=paid(), actual=rows, ledger=[charged(), refund()])

    assert verdicts(given) == {100: "match", 101: "match", 150: "extra"}
    assert verdicts(undecided(given)) == {100: "match", 101: "match", 150: "late"}
    no = case(NEW, rules=PAYMENT, oracle=paid(), actual=[refused(charge())], ledger=[])
    assert set(verdicts(undecided(no)).values()) == {"late"}


def test_two_shadows_of_the_middle_that_are_ahead_of_legacy_are_late() -> None:
    ahead = case(SHADOW, rules=PAYMENT, recorded=[observed(1, charge(), payment())], ledger=[])

    assert verdicts(ahead) == {100: "missing", 101: "missing"}
    assert verdicts(undecided(ahead)) == {100: "late", 101: "late"}


def test_a_fact_of_no_known_kind_is_late_too() -> None:
    blind = Fact("order-1", 100, 1, {KIND: "unobserved", TARGET: "mailing"})

    assert verdicts(undecided(case(LEGACY, oracle=[blind], ledger=[]))) == {100: "late"}
