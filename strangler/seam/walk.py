"""One run along a chain, in the caller's transaction: as far as outcomes are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from strangler.continuation import table
from strangler.errors import BadInput
from strangler.ownership import Owner
from strangler.seam.middle import Awaited, Middle
from strangler.seam.suspended import Suspended
from strangler.step.intents import Json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FIRST_GO_S = 0.25  # the request that waits looks once more after its wait, before a runner may


@dataclass(frozen=True, slots=True)
class Ended:
    """How far a chain has come. `refusal`: what the application's `refused` returned, where a step has refused."""

    subject: Any
    waits: bool = False
    refused_by: str | None = None
    refusal: object = None


class Refusing(Exception):
    """A legacy step has refused in the rest, by `cause`. `calls`: by step, what had been called for the change."""

    def __init__(self, step: Awaited, cause: Exception, calls: Mapping[str, int]) -> None:
        super().__init__(step.name)
        self.step, self.cause, self.calls = step, cause, calls


class Walk:
    """`on` is called once, or `refused_by_legacy`. `found`: the continuation that was claimed for it."""

    def __init__(
        self,
        application: Suspended,
        middle: Middle,
        session: Session,
        subject: Any,
        *,
        wait_s: float = 0.0,
        found: table.Continuation | None = None,
    ) -> None:
        self._application, self._middle = application, middle
        self._session, self._subject = session, subject
        self._ref = application.reference_of(subject)
        self._wait_s = wait_s
        self._known = found.outcomes if found else {}
        self._left: Sequence[str] = found.rest if found else ()
        self._refusal = found.refusal if found else None
        self._carry: Mapping[str, Json] = found.carry if found else {}

    def on(self, names: Sequence[str]) -> Ended:
        """As far as outcomes are known: to the end, to a step to wait for, or to a refusal."""
        unknown = [name for name in names if name not in self._middle.steps]
        if unknown:
            raise BadInput(
                f"{self._ref} has still to run {', '.join(unknown)}, which this application awaits nowhere; "
                "run a release that does until no continuation names it in `rest`"
            )
        self._left = left = list(names)
        while left and self._refusal is None:
            name = left[0]
            if self._owner(name) is not Owner.NEW:
                self._after(name, self._legacy(self._middle.steps[name]))
            elif name in self._known and self._known[name].refused:
                self._refusal = self._known[name]
            elif name in self._known:
                self._after(name, self._known[name].detail)
            elif self._wait(left):
                return Ended(self._subject, waits=True)
            else:
                continue
            left.pop(0)
        return Ended(self._subject) if self._refusal is None else self._refused(self._refusal)

    def refused_by_legacy(self, refusing: Refusing) -> Ended:
        """Tells of it as of any outcome of legacy's."""
        step = refusing.step
        outcome = table.StepOutcome(self._ref, step.name, True, step.explain(refusing.cause))
        self._tell(step.name, step.tells[1], outcome.detail)
        table.keep(self._session, outcome)
        self._application.rolled_back(self._session, self._subject, refusing.calls)
        return self._refused(outcome)

    def _owner(self, name: str) -> Owner:
        return self._application.ownership_of(self._subject).of(name)

    def _after(self, name: str, outcome: Mapping[str, Json]) -> None:
        self._middle.after[name](self._subject, outcome)

    def _refused(self, outcome: table.StepOutcome) -> Ended:
        not_due = [name for name in self._left if self._owner(name) is not Owner.NEW]
        self._application.not_due(self._session, self._subject, not_due)
        refusal = self._middle.refused[outcome.step](self._subject, outcome.detail)
        return Ended(self._subject, refused_by=outcome.step, refusal=refusal)

    def _legacy(self, step: Awaited) -> Mapping[str, Json]:
        """The step itself, inside the transaction, and its outcome as an event of it."""
        try:
            outcome = step.run(self._subject)
        except step.refusals as error:
            raise Refusing(step, error, self._application.calls_of(self._subject)) from error
        if not isinstance(outcome, Mapping):
            raise BadInput(
                f"{step.name} returned {type(outcome).__name__}; return what it came to as a mapping of plain JSON, "
                "the same as the new side tells, {} where there is nothing to tell"
            )
        self._tell(step.name, step.tells[0], outcome)
        return outcome

    def _tell(self, name: str, type_: str, outcome: Mapping[str, Json]) -> None:
        payload = {**self._state(), "outcome": {"by": "legacy", **outcome}}
        self._application.tell(self._session, self._subject, name, type_, payload)

    def _wait(self, left: Sequence[str]) -> bool:
        """False: the outcome has come in between, and is known now."""
        waits_for = list(self._unknown_run(left))[-1]
        longest_s = self._wait_s + FIRST_GO_S if self._wait_s else 0.0
        at = self._application.version_of(self._subject)
        if not table.wait_for(
            self._session, self._ref, waits_for, wait_s=longest_s, rest=left, carry=self._state(), version=at
        ):
            self._application.waits(self._subject)
            return True
        found = table.claim(self._session, self._ref)
        if found is None:
            raise RuntimeError(f"what {self._ref} waits for was claimed under its lock; claim it only with the lock")
        self._known, self._refusal = found.outcomes, found.refusal
        return False

    def _unknown_run(self, left: Sequence[str]) -> Iterator[str]:
        """The new side's steps that follow each other from the first of them on, and whose outcome is not there."""
        for name in left:
            if self._owner(name) is not Owner.NEW:
                return
            if name not in self._known:
                yield name

    def _state(self) -> Mapping[str, Json]:
        """The subject as its last event has it, so that the steps that follow can decide."""
        said = self._application.carried(self._subject)
        if said is not None:
            self._carry = said
        return self._carry
