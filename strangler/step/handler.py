"""The step's handler: events -> intents -> by ownership applied, recorded or left alone; one disposition each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Disposition, Poison
from outbox.event import Event, ReceivedEvent
from outbox.fault_points import FaultPoints
from outbox.structured import Item
from strangler.ownership import Owner, Ownership
from strangler.step.apply import Act, ApplyWrites, apply
from strangler.step.claim import Claim, ClaimResult, claim, shed
from strangler.step.digests import digests
from strangler.step.intents import INTENTS_PER_EVENT, Intent, Write, answered, first_number, to_json
from strangler.step.passed_over import mark
from strangler.step.pg_json import encode
from strangler.step.record import Shadowed, record

MAX_VERSION = 2**31 // INTENTS_PER_EVENT - 1  # intent numbers are PostgreSQL integers

Decide = Callable[[Event], Sequence[Intent]]
Concerns = Callable[[Event, Owner], bool]
Kept = Callable[[str, Write], Write | None]
ActedElsewhere = Callable[[Iterable[tuple[Event, Sequence[Intent]]]], None]
_Key = tuple[Owner, str, int]
_Became = dict[_Key, Disposition]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the step makes of one event, before anything is touched."""

    subject_ref: str
    version: int
    number: int
    epoch: int
    owner: Owner  # legacy also where the event is none of the step's
    intents: Sequence[Intent]
    stored: str
    digest: str | None  # where the new side owns the subject
    context: Mapping[str, Item]
    passed_over: bool = False  # not legacy's, and none of the step's

    @property
    def key(self) -> _Key:
        return (self.owner, self.subject_ref, self.number)

    @property
    def claim(self) -> Claim:
        return Claim(self.subject_ref, self.number, self.epoch, self.digest)

    @property
    def act(self) -> Act:
        return Act(self.subject_ref, self.version, self.number, self.intents, self.context)


class StepHandler:
    """An `outbox.consumer.Handler` for one step. Safe across threads: it keeps nothing between batches.

    `decide` is pure and raises for an event it does not understand: what fails once always fails, so any error of
    it is `Poison`, whoever owns the subject. `apply_writes` gets all rows of the batch and the context's connection.

    `concerns(event, owner)` is False for an event that says nothing to the step: `not_owner`, no claim, no record;
    `marks`: that it was there is kept all the same, for a step that waits for versions.
    `legacy_acts(events with intents)` hears what legacy does beside it: of its subjects, and of those in shadow.
    `kept(subject_ref, write)`: what can be read again of a row, for the claim's digest; None: nothing. All by default.
    """

    def __init__(
        self,
        step: str,
        decide: Decide,
        apply_writes: ApplyWrites,
        *,
        concerns: Concerns = lambda _event, _owner: True,
        marks: bool = False,
        kept: Kept = lambda _subject_ref, write: write,
        legacy_acts: ActedElsewhere = lambda _: None,
        fault_points: FaultPoints | None = None,
    ) -> None:
        self._legacy_acts = legacy_acts
        self._step, self._decide, self._apply_writes = step, decide, apply_writes
        self._concerns, self._marks, self._kept = concerns, marks, kept
        self._fault_points = fault_points or FaultPoints()

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        return self._handle(connection, events, self._act)

    def give_up(
        self, connection: PsycopgConnection, events: Sequence[ReceivedEvent], clause: str
    ) -> Sequence[Disposition]:
        """Instead of acting: what the step owns is claimed as shed, by that clause. A shadow records as ever."""
        return self._handle(connection, events, partial(self._shed, clause=clause))

    def decisions(self, events: Sequence[ReceivedEvent]) -> list[Decision]:
        """What the step makes of each event. Pure; raises `Poison` for the first that it cannot read."""
        return [self._read(index, received.event) for index, received in enumerate(events)]

    def _read(self, index: int, event: Event) -> Decision:
        """Pure; anything wrong with the event is `Poison` with the event's place in the batch."""
        try:
            ownership = Ownership.from_header(str(event.context.get("ownership", "")))
            if not 0 < event.aggregate_version <= MAX_VERSION:
                raise ValueError(f"aggregate version {event.aggregate_version} is not in 1..{MAX_VERSION}")
            encode([event.aggregate_id])
            intents = answered(self._decide(event))
            if len(intents) > INTENTS_PER_EVENT:
                raise ValueError(f"{len(intents)} intents for one event; {INTENTS_PER_EVENT} is the limit")
            stored = encode(to_json(intents))
            pinned = ownership.of(self._step)
            passed_over = pinned is not Owner.LEGACY and not self._concerns(event, pinned)
            owner = Owner.LEGACY if passed_over else pinned
            digest = self._digest(event.aggregate_id, intents) if owner is Owner.NEW else None
        except Exception as error:
            raise Poison(index, f"{self._step}: {type(error).__name__}: {error}"[:500]) from error
        number = first_number(event.aggregate_version)
        ref, version = event.aggregate_id, event.aggregate_version
        epoch, context = ownership.epoch, event.context
        return Decision(ref, version, number, epoch, owner, intents, stored, digest, context, passed_over)

    def _digest(self, subject_ref: str, intents: Sequence[Intent]) -> str:
        kept = [self._kept(subject_ref, one) if isinstance(one, Write) else one for one in intents]
        return digests([None if one is None else to_json([one])[0] for one in kept])

    def _handle(
        self,
        connection: PsycopgConnection,
        events: Sequence[ReceivedEvent],
        act: Callable[[PsycopgConnection, Sequence[Decision]], _Became],
    ) -> Sequence[Disposition]:
        decisions = self.decisions(events)
        first: dict[_Key, Decision] = {}  # a relay's repeat may share the batch with its original
        for decision in decisions:
            first.setdefault(decision.key, decision)
        became = act(connection, [one for one in first.values() if one.owner is Owner.NEW])
        became |= self._record(connection, [one for one in first.values() if one.owner is Owner.SHADOW])
        if self._marks:
            mark(connection, self._step, [(one.subject_ref, one.version) for one in decisions if one.passed_over])
        dispositions = [self._disposition(one, first, became) for one in decisions]
        self._tell_of_legacy(events, decisions, dispositions)
        return dispositions

    def _tell_of_legacy(
        self, events: Sequence[ReceivedEvent], decisions: Sequence[Decision], dispositions: Sequence[Disposition]
    ) -> None:
        """Once for each event that legacy acts on; a batch that is tried again tells again."""
        self._legacy_acts(
            (received.event, one.intents)
            for received, one, disposition in zip(events, decisions, dispositions, strict=True)
            if one.intents
            and not one.passed_over
            and one.owner is not Owner.NEW
            and self._concerns(received.event, one.owner)
            and disposition in (Disposition.NOT_OWNER, Disposition.RECORDED)
        )

    def _act(self, connection: PsycopgConnection, decisions: Sequence[Decision]) -> _Became:
        won, became = self._claim(connection, decisions)
        apply(connection, self._step, [one.act for one in won], self._apply_writes)
        return became

    def _shed(self, connection: PsycopgConnection, decisions: Sequence[Decision], *, clause: str) -> _Became:
        won, became = self._claim(connection, decisions)
        shed(connection, self._step, [one.claim for one in won], clause)
        return became | {one.key: Disposition.SHED for one in won}

    def _claim(self, connection: PsycopgConnection, decisions: Sequence[Decision]) -> tuple[list[Decision], _Became]:
        if not decisions:
            return [], {}
        results = claim(connection, self._step, [one.claim for one in decisions])
        self._fault_points.reach("step.claimed")
        pairs = list(zip(decisions, results, strict=True))
        won = [one for one, result in pairs if result is ClaimResult.WON]
        return won, {one.key: _of_claim(result) for one, result in pairs}

    def _record(self, connection: PsycopgConnection, decisions: Sequence[Decision]) -> _Became:
        shadowed = [Shadowed(one.subject_ref, one.version, one.epoch, one.stored) for one in decisions]
        pairs = zip(decisions, record(connection, self._step, shadowed), strict=True)
        return {one.key: Disposition.RECORDED if stored else Disposition.DUPLICATE for one, stored in pairs}

    @staticmethod
    def _disposition(one: Decision, first: dict[_Key, Decision], became: _Became) -> Disposition:
        if one.owner is Owner.LEGACY:
            return Disposition.NOT_OWNER
        done = became[one.key]
        if first[one.key] is not one and done is not Disposition.NOT_OWNER:
            return Disposition.DUPLICATE
        return done


def _of_claim(result: ClaimResult) -> Disposition:
    match result:
        case ClaimResult.WON:
            return Disposition.APPLIED
        case ClaimResult.APPLIED:
            return Disposition.DUPLICATE
        case ClaimResult.HANDED_BACK:
            return Disposition.NOT_OWNER
        case _:
            assert_never(result)
