"""Reading the sides: one snapshot each of legacy, of a context, of a vendor's ledger, grouped by subject."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from outbox.connection import PsycopgConnection
from strangler.addresses import Addresses, snapshot
from strangler.errors import DependencyDown
from strangler.facts import Fact, SubjectFacts
from strangler.plan import Plan
from strangler.reconcile import readers
from strangler.reconcile.judged_step import JudgedStep
from strangler.reconcile.liveness import Living, read_changes, read_living
from strangler.reconcile.subject_evidence import Acted, LegacySide, NewSide, OpenCall, RecordedChange
from strangler.witness import within

ByOrder = Mapping[str, Sequence[Fact]]


@dataclass(frozen=True, slots=True)
class LegacyStep:
    """What the legacy database has of one step. `why_unknown`: the plan's oracle failed."""

    oracle: ByOrder
    seam: Mapping[str, Sequence[Acted]]
    hand_backs: Mapping[str, str]
    why_unknown: str = ""
    unended: Mapping[str, Sequence[OpenCall]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LegacySnapshot:
    """One moment of the legacy database."""

    orders: Mapping[str, SubjectFacts]
    steps: Mapping[str, LegacyStep]
    in_flight: frozenset[str]
    changes: Mapping[str, Sequence[RecordedChange]] = field(default_factory=dict)

    def side(self, step: str, subject_ref: str) -> LegacySide:
        of_step = self.steps[step]
        return LegacySide(
            self.orders.get(subject_ref),
            of_step.oracle.get(subject_ref, ()),
            of_step.seam.get(subject_ref, ()),
            of_step.hand_backs.get(subject_ref, ""),
            subject_ref in self.in_flight,
            of_step.unended.get(subject_ref, ()),
            self.changes.get(subject_ref, ()),
        )


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """One moment of a context."""

    claims: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    recorded: Mapping[str, Sequence[Acted]] = field(default_factory=dict)
    actual: ByOrder = field(default_factory=dict)
    parked: frozenset[bytes] = frozenset()
    shed: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    wanted: Mapping[str, Mapping[int, Sequence[str]]] = field(default_factory=dict)
    told: Mapping[str, Collection[str]] = field(default_factory=dict)

    def side(self, subject_ref: str, key: str) -> NewSide:
        return NewSide(
            self.claims.get(subject_ref, {}),
            self.recorded.get(subject_ref, ()),
            self.actual.get(subject_ref, ()),
            key.encode() in self.parked,
            self.shed.get(subject_ref, {}),
            self.wanted.get(subject_ref, {}),
            frozenset(self.told.get(subject_ref, ())),
        )


def read_legacy(
    connection: PsycopgConnection, plan: Plan, steps: Sequence[JudgedStep], refs: list[str] | None = None
) -> LegacySnapshot:
    """All of legacy at one moment, and who of it lived just before. Without subjects nothing can be judged; without one
    step's witness, that step. `refs`: only these subjects. `connection` is in autocommit.
    """
    living = read_living(connection)
    with snapshot(connection):
        try:
            every = refs is None
            those = frozenset(refs or ())
            orders = {
                order.subject_ref: order
                for order in plan.subject.facts(connection)
                if every or order.subject_ref in those
            }
        except Exception as error:
            raise DependencyDown(f"the plan's `orders` reader failed: {described(error)}") from error
        by_step = {step.name: _legacy_step(connection, step, living, refs) for step in steps}
        in_flight = frozenset(readers.read_in_flight(connection))
        return LegacySnapshot(orders, by_step, in_flight, read_changes(connection, living, refs))


def read_new(
    connection: PsycopgConnection, step: JudgedStep, addresses: Addresses, refs: list[str] | None = None
) -> NewSnapshot:
    """A context's side of a step at one moment: all of it, or what it has of these subjects."""
    group, topics = addresses.group(step.context), addresses.topics(step.context)
    with snapshot(connection):
        wanted = readers.read_wanted(connection, step.name, refs)
        wants = (want for by_number in wanted.values() for each in by_number.values() for want in each)
        return NewSnapshot(
            readers.read_claims(connection, step.name, refs),
            readers.read_recorded(connection, step.name, refs),
            by_subject([*readers.read_effects(connection, step.name, refs), *step.rows(connection, refs)]),
            frozenset(readers.read_parked(connection, group, topics)),
            readers.read_shed(connection, step.name, step.shedding(), refs),
            wanted,
            readers.read_told(connection, step.name) if any(want[:1] == "e" for want in wants) else {},
        )


def read_ledger(step: JudgedStep, addresses: Addresses) -> ByOrder | None:
    """What the vendor was really asked; None where the step has no vendor."""
    return None if step.ledger is None else by_subject(step.ledger(addresses.environ))


def by_subject(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    grouped: dict[str, list[Fact]] = {}
    for fact in facts:
        grouped.setdefault(fact.subject_ref, []).append(fact)
    return grouped


def described(error: Exception) -> str:
    """One line, without what a statement's parameters may have brought into the message."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _legacy_step(connection: PsycopgConnection, step: JudgedStep, living: Living, refs: list[str] | None) -> LegacyStep:
    seam, hand_backs = (
        readers.read_seam(connection, step.name, refs),
        readers.read_hand_backs(connection, step.name, refs),
    )
    unended = readers.read_unended(connection, step.name, living, refs)
    if step.check.expected is None:
        return LegacyStep({}, seam, hand_backs, unended=unended)
    try:
        with connection.transaction():  # a savepoint: one broken witness leaves the other steps to be judged
            expected = by_subject(within(step.check.expected, connection, refs))
            return LegacyStep(expected, seam, hand_backs, unended=unended)
    except psycopg.OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - the plan's reader: whatever it raises, the step cannot be judged
        return LegacyStep({}, seam, hand_backs, f"the plan's oracle of {step.name} failed: {described(error)}")
