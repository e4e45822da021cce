"""What speaks for a step's going on from where it is, and what is lacking. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from strangler.errors import Refused
from strangler.stages import PLACE, Move, Stage, spoken
from strangler.step.intents import Json

MOST_COUNTED = 10_000  # verdicts; more say no more


@dataclass(frozen=True, slots=True)
class StageEvidence:
    """Of a step since its last move, which began `epoch` (0: it has never moved).

    `run`: the newest run of the judge that began after that move, "" for none; `unknown`: what it could not judge.
    `judged`: verdicts on subjects that were pinned since, by owner, at most `MOST_COUNTED`. `findings`: that stand, of
    whatever stage, by class.
    """

    step: str
    epoch: int
    run: str = ""
    unknown: int = 0
    judged: Mapping[str, int] = field(default_factory=dict)
    findings: Mapping[str, int] = field(default_factory=dict)

    def lacking(self, move: Move) -> Refused | None:
        """Why the move should not be made, with the command to type; None where nothing is lacking."""
        if not needs_evidence(move):
            return None
        reconcile = f"strangler reconcile --step {self.step}"
        said, steps = [], [f"`{reconcile}`"]
        if not self.run:
            said.append("has not been reconciled since")
        if not self.judged:
            said.append("no subject pinned since has a verdict")
            steps.insert(0, "send subjects through it")
        if self.unknown:
            said.append(f"its last reconciliation could not judge {self.unknown} effect(s)")
        if self.findings:
            said.append(f"{sum(self.findings.values())} finding(s) stand: {counted(self.findings)}")
            steps = ["repair what was found", *steps[:-1], f"`{reconcile} --all`"]
        if not said:
            return None
        at = f"{self.step} is at {spoken(move.from_stage, move.from_bp)} since epoch {self.epoch}"
        following = f"{', '.join(steps)}, then advance again; --anyway goes on, and the history says what was lacking"
        return Refused(f"{at}: {'; '.join(said)}", following)

    def __str__(self) -> str:
        owners = counted(self.judged) or "none"
        return f"judged since epoch {self.epoch}: {owners}; findings: {counted(self.findings) or 'none'}"

    def to_json(self, anyway: Refused | None) -> dict[str, Json]:
        """As the audit keeps it; `anyway`: what was lacking when the move was made all the same."""
        return asdict(self) if anyway is None else {**asdict(self), "anyway": anyway.reason}


def needs_evidence(move: Move) -> bool:
    """A move that gives the new side more. Of a step at legacy there is nothing to compare yet; back is always free."""
    forward = (PLACE[move.to_stage], move.to_bp) > (PLACE[move.from_stage], move.from_bp)
    return forward and move.from_stage is not Stage.LEGACY


def counted(numbers: Mapping[str, int]) -> str:
    """`3 missing, 1 mismatch`."""
    return ", ".join(f"{number} {name}" for name, number in sorted(numbers.items()))
