"""Reading the sides: one snapshot each of legacy, of a context, of a vendor's ledger, grouped by subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from outbox.connection import PsycopgConnection
from strangler.contexts import Context
from strangler.errors import BadInput, DependencyDown
from strangler.facts import Fact, FactReader, SubjectFacts
from strangler.plan import Check, Plan, Step
from strangler.policies import policy_of
from strangler.reconcile import readers
from strangler.reconcile.addresses import Addresses, snapshot
from strangler.reconcile.subject_evidence import Acted, LegacySide, NewSide, Rules

ByOrder = Mapping[str, Sequence[Fact]]


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """A step that can be judged."""

    name: str
    context: Context
    check: Check
    rules: Rules

    @classmethod
    def of(cls, step: Step) -> JudgedStep:
        if step.context is None or step.check is None:
            raise BadInput(f"step {step.name!r} has no new side in the plan; there is nothing to compare")
        check = step.check
        rules = Rules(step.name, check.identity, check.stateful, check.only_asks)
        return cls(step.name, step.context, check, rules)

    @property
    def actual(self) -> FactReader:
        """Reads what the new side has done: as the check says, else by the rows that its service keeps."""
        found = self.check.actual or self.context.rows
        if found is None:
            raise BadInput(f"step {self.name!r} has a check without `actual`, and its service keeps no Rows; give one")
        return found

    def shedding(self) -> frozenset[str]:
        """The names of the clauses by which the context's policy loses events; their values may have changed since."""
        policy = policy_of(self.context)
        return frozenset(clause.partition("=")[0] for clause in policy.shedding()) if policy else frozenset()


@dataclass(frozen=True, slots=True)
class LegacyStep:
    """What the legacy database has of one step. `why_unknown`: the plan's oracle failed."""

    oracle: ByOrder
    seam: Mapping[str, Sequence[Acted]]
    hand_backs: Mapping[str, str]
    why_unknown: str = ""


@dataclass(frozen=True, slots=True)
class LegacySnapshot:
    """One moment of the legacy database."""

    orders: Mapping[str, SubjectFacts]
    steps: Mapping[str, LegacyStep]
    in_flight: frozenset[str]

    def side(self, step: str, subject_ref: str) -> LegacySide:
        of_step = self.steps[step]
        return LegacySide(
            self.orders.get(subject_ref),
            of_step.oracle.get(subject_ref, ()),
            of_step.seam.get(subject_ref, ()),
            of_step.hand_backs.get(subject_ref, ""),
            subject_ref in self.in_flight,
        )


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """One moment of a context."""

    claims: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    recorded: Mapping[str, Sequence[Acted]] = field(default_factory=dict)
    actual: ByOrder = field(default_factory=dict)
    parked: frozenset[bytes] = frozenset()
    shed: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def side(self, subject_ref: str, key: str) -> NewSide:
        return NewSide(
            self.claims.get(subject_ref, {}),
            self.recorded.get(subject_ref, ()),
            self.actual.get(subject_ref, ()),
            key.encode() in self.parked,
            self.shed.get(subject_ref, {}),
        )


def read_legacy(connection: PsycopgConnection, plan: Plan, steps: Sequence[JudgedStep]) -> LegacySnapshot:
    """All of legacy at one moment. Without subjects nothing can be judged; without one step's oracle, that step."""
    with snapshot(connection):
        try:
            orders = {order.subject_ref: order for order in plan.subject.facts(connection)}
        except Exception as error:
            raise DependencyDown(f"the plan's `orders` reader failed: {described(error)}") from error
        by_step = {step.name: _legacy_step(connection, step) for step in steps}
        return LegacySnapshot(orders, by_step, frozenset(readers.read_in_flight(connection)))


def read_new(connection: PsycopgConnection, step: JudgedStep, addresses: Addresses) -> NewSnapshot:
    """All of a context's side of a step at one moment."""
    group, topics = addresses.group(step.context), addresses.topics(step.context)
    with snapshot(connection):
        return NewSnapshot(
            readers.read_claims(connection, step.name),
            readers.read_recorded(connection, step.name),
            by_subject(step.actual(connection)),
            frozenset(readers.read_parked(connection, group, topics)),
            readers.read_shed(connection, step.name, step.shedding()),
        )


def read_ledger(step: JudgedStep, addresses: Addresses) -> ByOrder | None:
    """What the vendor was really asked; None where the step has no vendor."""
    return None if step.check.ledger is None else by_subject(step.check.ledger(addresses.environ))


def by_subject(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    grouped: dict[str, list[Fact]] = {}
    for fact in facts:
        grouped.setdefault(fact.subject_ref, []).append(fact)
    return grouped


def described(error: Exception) -> str:
    """One line, without what a statement's parameters may have brought into the message."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _legacy_step(connection: PsycopgConnection, step: JudgedStep) -> LegacyStep:
    seam, hand_backs = readers.read_seam(connection, step.name), readers.read_hand_backs(connection, step.name)
    try:
        with connection.transaction():  # a savepoint: one broken oracle leaves the other steps to be judged
            return LegacyStep(by_subject(step.check.expected(connection)), seam, hand_backs)
    except psycopg.OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - the plan's reader: whatever it raises, the step cannot be judged
        return LegacyStep({}, seam, hand_backs, f"the plan's oracle of {step.name} failed: {described(error)}")
