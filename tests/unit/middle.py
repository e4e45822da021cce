"""The middle's effects as the judge gets them: facts of fraud, inventory and payment, by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from strangler.facts import KIND, TARGET, Fact
from strangler.ownership import Owner
from strangler.reconcile.compare import judge
from strangler.reconcile.subject_evidence import Acted, Rules, SubjectEvidence, Visibility
from strangler.step.intents import Json
from tests.unit.judging import REF, case

FRAUD = Rules("fraud", lambda fields: str(fields[TARGET]), stateful=False, only_asks=True)
INVENTORY = Rules("inventory", lambda fields: str(fields[TARGET]), stateful=True)
PAYMENT = Rules("payment", lambda fields: str(fields[TARGET]), stateful=False)

CALL, WRITE = {KIND: "call"}, {KIND: "write"}
CHARGED = "payments.charge"


def score(amount_minor: Json = 250) -> Fact:
    return Fact(REF, 100, 1, {"order_ref": REF, "amount_minor": amount_minor, **CALL, TARGET: "fraud.score"})


def decision(number: int = 40, verdict: str = "cleared") -> Fact:
    return Fact(REF, 101, 1, {"order_ref": REF, "score": number, "verdict": verdict, **WRITE, TARGET: "decision"})


def reservation(version: int = 1, pieces: Mapping[str, int] | None = None) -> Fact:
    held = {"A": 2, "B": 1} if pieces is None else pieces
    fields = {"order_ref": REF, "version": version, "pieces": held, **WRITE, TARGET: "reservation"}
    return Fact(REF, 100 * version, version, fields)


def charge(amount_minor: Json = 250, *, number: int = 100) -> Fact:
    """As the oracle and the effect table have it."""
    return Fact(REF, number, 1, {"order_ref": REF, "amount_minor": amount_minor, **CALL, TARGET: CHARGED})


def charged(amount_minor: Json = 250, *, charge_id: str = "ch_7", number: int = 100) -> Fact:
    """As the provider's ledger has it."""
    return replace(charge(amount_minor, number=number), answer={"charge_id": charge_id}, version=0)


def refund(amount_minor: Json = 250) -> Fact:
    """As everybody has it."""
    body = {"order_ref": REF, "amount_minor": amount_minor}
    return Fact(REF, 150, 1, {**body, **CALL, TARGET: "payments.refund"})


def payment(charge_id: str = "ch_7", *, state: str = "taken") -> Fact:
    """As the new side has it."""
    fields = {"order_ref": REF, "charge_id": charge_id, "amount_minor": 250, "state": state}
    return Fact(REF, 101, 1, {**fields, **WRITE, TARGET: "payment"})


def without(fact: Fact, *names: str) -> Fact:
    """As the oracle has it: it does not know these fields."""
    return replace(fact, fields={key: fact.fields[key] for key in fact.fields if key not in names}, open_fields=names)


def paid() -> list[Fact]:
    """What the oracle wants of an accepted order."""
    return [charge(), without(payment(), "charge_id")]


def undone(*, refused: bool = False) -> list[Fact]:
    """What the oracle wants of an order that was rejected at its payment (`refused`) or after it."""
    wanted = [charge(), without(payment(), "charge_id", "state"), refund()]
    first, second, last = [replace(fact, if_there=CHARGED) for fact in wanted]
    return [replace(first, refused=refused), second, last if refused else refund()]


def maybe(facts: list[Fact]) -> list[Fact]:
    """The same of a pending order."""
    return [replace(fact, pending=True) for fact in facts]


def observed(version: int, *facts: Fact) -> Acted:
    """As a seam or a shadow wrote it down: only what an intent says."""
    return Acted(version, tuple(without(fact, "state") for fact in facts))


def fraud(*actual: Fact, ledger: Sequence[Fact] | None = None, oracle: Sequence[Fact] | None = None) -> SubjectEvidence:
    """An order of the new side at fraud: cleared and asked for, unless said otherwise."""
    wanted = [score(), decision()] if oracle is None else oracle
    return case(Owner.NEW, rules=FRAUD, oracle=wanted, actual=actual, ledger=[score()] if ledger is None else ledger)


def pay(
    *actual: Fact, ledger: Sequence[Fact], oracle: Sequence[Fact] | None = None, state: Visibility = Visibility.PASSED
) -> SubjectEvidence:
    """An order of the new side at payment: accepted, unless said otherwise."""
    wanted = paid() if oracle is None else oracle
    return case(Owner.NEW, rules=PAYMENT, oracle=wanted, actual=actual, ledger=ledger, state=state)


def stock(
    *actual: Fact, oracle: Sequence[Fact], version: int = 1, state: Visibility = Visibility.PASSED
) -> SubjectEvidence:
    """An order of the new side at inventory."""
    return case(Owner.NEW, rules=INVENTORY, version=version, oracle=oracle, actual=actual, state=state)


def said(given: SubjectEvidence) -> dict[int, tuple[str, str]]:
    """Verdict and reason by number."""
    return {one.number: (one.verdict.value, one.reason) for one in judge(given)}


def refused(fact: Fact) -> Fact:
    """As an effect that the vendor said no to."""
    return replace(fact, refused=True)
