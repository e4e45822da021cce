"""The report of a run: counts per step and class, findings with evidence, and plain sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from strangler.facts import FINAL, FINDINGS, Judgement, Verdict
from strangler.reconcile.findings import GOOD, GRAVEST_FIRST
from strangler.reconcile.reasons import Reason
from strangler.step.intents import Json
from strangler.subject import Subject

MAX_SHOWN = 1_000  # judgements kept per step and class; the counts have them all, the verdict table the final ones
MAX_CHANGES = 1_000
EXAMPLES = 3
REASONS = frozenset(reason.value for reason in Reason)


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """What an audit found otherwise than an earlier run; `after` is "" where the finding is gone."""

    step: str
    subject_ref: str
    number: int
    before: str
    after: str


@dataclass(slots=True)
class Report:
    """Of one run. `counts[step][verdict]` are effects, `by_owner[step][owner]` are subjects with a final verdict.

    `judgements` are those that do not match, at most `MAX_SHOWN` per step and class. `standing` counts findings of
    earlier runs that this run had no reason to judge again. `second_looks[step]`: findings that were looked at again,
    and those of them that were not confirmed (see `StepComparison.counts`). `looked_at[step]`: subjects of which a side
    spoke, whatever was said of them. `known[step]`: verdicts that were stored before.
    `no_witness[step]`: what nobody confirms, in words; of it ACTED is the best.
    """

    scope: str
    run_id: str
    steps: tuple[str, ...]
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    by_owner: dict[str, Counter[str]] = field(default_factory=dict)
    judgements: list[Judgement] = field(default_factory=list)
    reasons: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    standing: dict[str, Counter[str]] = field(default_factory=dict)
    second_looks: dict[str, Counter[str]] = field(default_factory=dict)
    changes: list[VerdictChange] = field(default_factory=list)
    frontier: Mapping[str, Json] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    looked_at: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    no_witness: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        for step in self.steps:
            self.counts[step], self.by_owner[step] = Counter(), Counter()
            self.reasons[step], self.standing[step], self.second_looks[step] = Counter(), Counter(), Counter()

    def add(self, judged: list[Judgement]) -> None:
        """The judgements of one step and subject."""
        for one in judged:
            self.counts[one.step][one.verdict] += 1
            if one.verdict is not Verdict.MATCH:
                self.reasons[one.step][one.verdict, one.reason] += 1
                if one.verdict not in GOOD and self.counts[one.step][one.verdict] <= MAX_SHOWN:
                    self.judgements.append(one)
        for step, owner in {(one.step, one.owner) for one in judged if one.verdict in FINAL}:
            self.by_owner[step][owner] += 1

    @property
    def exit_code(self) -> int:
        """1 for findings, of this run or standing; else 3 where something could not be judged, or nothing ever was;
        else 0.
        """
        counted = [*self.counts.values(), *self.standing.values()]
        if any(counts[verdict] for counts in counted for verdict in FINDINGS):
            return 1
        unknown = any(counts[Verdict.UNKNOWN] for counts in counted) or any(self.unknown.values())
        return 3 if unknown or not (self.looked_at.total() and self._is_judged) else 0

    @property
    def _is_judged(self) -> bool:
        """Whether anything was ever said, by this run or an earlier one."""
        return self.known.total() > 0 or any(counts.total() for counts in self.counts.values())

    def to_json(self) -> dict[str, Json]:
        return {
            "run_id": self.run_id,
            "scope": self.scope,
            "exit": self.exit_code,
            "counts": {step: _every(counts) for step, counts in self.counts.items()},
            "by_owner": {step: dict(owners) for step, owners in self.by_owner.items()},
            "standing": {step: dict(counts) for step, counts in self.standing.items() if counts},
            "second_looks": {step: dict(counts) for step, counts in self.second_looks.items() if counts},
            "looked_at": {step: self.looked_at[step] for step in self.steps},
            "no_witness": {step: list(self.no_witness.get(step, ())) for step in self.steps},
            "unknown": dict(self.unknown),
            "frontier": dict(self.frontier),
            "changes": [_plain(change) for change in self.changes],
            "judgements": [_plain(one) for one in self.judgements],
            "judgements_left_out": self._left_out(),
            "seconds": round(self.seconds, 3),
        }

    def lines(self, subject: Subject) -> list[str]:
        """For a person, in the plan's words: what was compared, and each kind of finding in a sentence."""
        lines = []
        if not self.looked_at.total():
            lines.append(subject.words("nothing was looked at: there is no subject, and no side speaks of one"))
        elif not self._is_judged:
            lines.append(subject.words("nothing was judged: no side has an account of what was due for any subject"))
        for step in self.steps:
            lines.append(self._summary(step, subject))
            lines += self._sentences(step, subject)
            lines += self._unconfirmed(step)
            if self.standing[step]:
                number = self.standing[step].total()
                lines.append(f"  {number} finding(s) of earlier runs stand; repair them, then audit with --all")
        if self.changes:
            lines.append(f"{len(self.changes)} verdict(s) are no longer what an earlier run said")
        return lines

    def _summary(self, step: str, subject: Subject) -> str:
        counts, owners = self.counts[step], self.by_owner[step]
        compared = sum(counts[verdict] for verdict in FINAL)
        by_owner = ", ".join(f"{owner} {number}" for owner, number in sorted(owners.items())) or "none"
        said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in reversed(GRAVEST_FIRST) if counts[verdict])
        whose = f"{owners.total()} {subject.plural}"
        return f"{step}: {compared} effects of {whose} compared ({by_owner}): {said or 'nothing new'}"

    def _sentences(self, step: str, subject: Subject) -> Iterator[str]:
        if self.unknown.get(step):
            yield f"  nothing final can be said of the new side: {self.unknown[step]}"
        ordered = sorted(self.reasons[step], key=lambda each: GRAVEST_FIRST.index(Verdict(each[0])))
        for verdict, reason in ordered:
            alike = [one for one in self.judgements if (one.step, one.verdict, one.reason) == (step, verdict, reason)]
            number = self.reasons[step][verdict, reason]
            effects = "1 effect" if number == 1 else f"{number} effects"
            why = subject.words(reason) if reason in REASONS else reason
            yield f"  {effects} {verdict.upper()}: {why}{_examples(alike)}"

    def _unconfirmed(self, step: str) -> Iterator[str]:
        """Where ACTED stands, what would make it a MATCH."""
        if self.counts[step][Verdict.ACTED]:
            yield from (f"  nobody confirms {what}" for what in self.no_witness.get(step, ()))

    def _left_out(self) -> int:
        return sum(
            max(0, number - MAX_SHOWN)
            for counts in self.counts.values()
            for verdict, number in counts.items()
            if verdict not in GOOD
        )


def _examples(alike: list[Judgement]) -> str:
    shown = [f"{one.subject_ref}{' ' + ', '.join(one.fields[:3]) if one.fields else ''}" for one in alike[:EXAMPLES]]
    more = ", ..." if len(alike) > EXAMPLES else ""
    return f" ({'; '.join(shown)}{more})" if shown else ""


def _every(counts: Counter[str]) -> dict[str, int]:
    return {verdict.value: counts[verdict] for verdict in Verdict}


def _plain(one: Judgement | VerdictChange) -> dict[str, Json]:
    return {name: getattr(one, name) for name in one.__slots__}
