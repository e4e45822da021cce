"""A step as it is judged: the plan's check, completed by what its service's declaration says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from outbox.connection import PsycopgConnection
from strangler.contexts import Context
from strangler.errors import BadInput
from strangler.facts import DeclaredEvidence, Fact, LedgerReader
from strangler.plan import Check, Step
from strangler.reconcile.pairing import ByPlace
from strangler.reconcile.subject_evidence import Rules
from strangler.witness import within


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """A step that can be judged."""

    name: str
    context: Context
    check: Check
    rules: Rules

    @classmethod
    def of(cls, step: Step) -> JudgedStep:
        if step.context is None:
            raise BadInput(f"step {step.name!r} has no new side in the plan; there is nothing to compare")
        check, evidence = step.check or Check(), step.context.evidence
        stateful = bool(evidence and evidence.stateful) if check.stateful is None else check.stateful
        rules = Rules(
            step.name,
            check.identity or ByPlace(rows=stateful),
            stateful,
            check.only_asks,
            witnessed=check.expected is not None,
            due=evidence.on if evidence else None,
            vendors=evidence.vendors if evidence and check.ledger is None else None,
            concludes=evidence.concludes if evidence else True,
            all_tell=check.ledger is not None or evidence is None or evidence.all_tell,
            kept=evidence.kept if evidence and check.actual is None else None,
        )
        return cls(step.name, step.context, check, rules)

    def rows(self, connection: PsycopgConnection, refs: Sequence[str] | None = None) -> Iterable[Fact]:
        """What the new side has written of all subjects, or of those: as the check reads it, else as its service keeps
        it.
        """
        evidence = self.context.evidence
        reader = self.check.actual or (evidence.rows if evidence else None)
        return () if reader is None else within(reader, connection, refs)

    @property
    def ledger(self) -> LedgerReader | None:
        """Reads what its vendors were asked: as the check says, else as they are declared."""
        evidence = self.context.evidence
        return self.check.ledger or (evidence.ledger if evidence else None)

    def shedding(self) -> frozenset[str]:
        """The names of the clauses by which the context's policy loses events; their values may have changed since."""
        policy = self.context.policy
        return frozenset(clause.partition("=")[0] for clause in policy.shedding()) if policy else frozenset()

    def without_witness(self) -> Iterator[str]:
        """What nobody confirms, in words: of it the judge can say ACTED at best."""
        evidence = self.context.evidence or DeclaredEvidence(frozenset())
        if self.check.expected is None:
            yield "whether what it decides is right: the check has no `expected`"
        if self.check.ledger is None and self.context.evidence is None:
            yield "what its vendors were really asked: the check has no `ledger`"
        for blind in evidence.blind:
            is_seen = self.check.ledger if blind.startswith("what ") else self.check.actual
            if is_seen is None:
                yield blind
