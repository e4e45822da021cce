"""What speaks for a read's going on from where it is, and what is lacking. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from strangler.errors import Refused
from strangler.reads.account import ReadAccount, Why
from strangler.reads.declared import ReadRoute
from strangler.stage_evidence import counted, needs_evidence
from strangler.stages import Move, Stage, spoken
from strangler.step.intents import Json


@dataclass(frozen=True, slots=True)
class ReadEvidence:
    """`account`: of the read since its last move. What the plan ignores by now is explained."""

    declared: ReadRoute
    account: ReadAccount

    @property
    def epoch(self) -> int:
        return self.account.epoch

    @property
    def unexplained(self) -> Mapping[str, int]:
        """Differences by their place."""
        return {place: reads for place, reads in self.account.places.items() if not self.declared.ignores(place)}

    def lacking(self, move: Move) -> Refused | None:
        """Why the move should not be made, with what to type; None where nothing is lacking."""
        if not needs_evidence(move):
            return None
        name, account, said, steps = (
            self.declared.name,
            self.account,
            [],
            [f"see `strangler reads {self.declared.name}`"],
        )
        whole = move.from_stage is Stage.LIVE or (move.from_stage is Stage.RAMP and account.answered > 0)
        if not account.compared and not whole:
            said.append("nothing has been compared since")
            steps.append("send reads through the facade")
        if self.unexplained:
            said.append(f"answers differ: {counted(self.unexplained)}")
            steps.append(
                f"ignore that in the plan if it may differ, else mend it and begin again: {_begin_again(name)}"
            )
        if account.candidate_failed:
            said.append(f"the other application failed {account.candidate_failed} time(s)")
            steps.append(f"mend it and begin again: {_begin_again(name)}")
        if unjudged := account.failed.get(Why.UNJUDGED, 0):
            said.append(f"{unjudged} read(s) could not be judged by what legacy says (noise: {_noise(account)})")
            steps.append(
                "let legacy answer a read twice in the same way (limits, one-time tokens), or ignore in the plan what "
                f"may differ, and begin again: {_begin_again(name)}"
            )
        if not said:
            return None
        at = f"{name} is at {spoken(move.from_stage, move.from_bp)} since epoch {self.epoch}"
        following = f"{'; '.join(dict.fromkeys(steps))}; --anyway goes on, and the history says what was lacking"
        return Refused(f"{at}: {'; '.join(said)}", following)

    def __str__(self) -> str:
        account, differ = self.account, counted(self.unexplained) or "none"
        return (
            f"reads since epoch {self.epoch}: {account.compared} compared, differing: {differ}; "
            f"{account.answered} answered by the other application, which failed {account.candidate_failed} time(s); "
            f"{account.failed.get(Why.UNJUDGED, 0)} not judged; noise: {_noise(account)}"
        )

    def to_json(self, anyway: Refused | None) -> dict[str, Json]:
        """As the audit keeps it; `anyway`: what was lacking when the move was made all the same."""
        kept = {**asdict(self.account), "noise": list(self.account.noise)}
        return kept if anyway is None else {**kept, "anyway": anyway.reason}


def _noise(account: ReadAccount) -> str:
    return ", ".join(account.noise) or "none"


def _begin_again(name: str) -> str:
    return f"`strangler rollback {name} --reason ...`, then advance; what was counted before stays behind"
