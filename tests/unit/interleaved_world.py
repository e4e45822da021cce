"""A world of one order and one step that takes single steps: legacy, the log, the consumer, the vendor, a hand-back.

Each move is one transaction or one call, as small as in the real parts. What was lost is known from the moves that lost
it, not from looking at the world, so that the expectation shares nothing with the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from strangler.facts import Fact, SubjectFacts
from strangler.ownership import Owner, Ownership
from strangler.reconcile.snapshots import LegacySnapshot, LegacyStep, NewSnapshot
from strangler.reconcile.subject_evidence import Acted
from tests.unit.judging import DOCUMENT, MAIL, REF, acted, document, mail

STEP = {True: MAIL.step, False: DOCUMENT.step}
Move = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Loss:
    """What was done to the world: the effect's number, its class, and whether nothing has made up for it."""

    number: int
    verdict: str
    holds: Callable[[], bool]


@dataclass(slots=True)
class World:
    """`waits`: the order is committed as pending first. `early`: the step acts on the order's first event, before the
    decision; else on the decision. `last`: so many versions there will be. `faults`: what is done to it, by name.
    """

    owner: Owner
    mails: bool
    waits: bool = False
    early: bool = False
    refused: bool = False
    last: int = 1
    handed_back: bool = False
    faults: tuple[str, ...] = ()

    version: int = 0
    undecided: bool = False
    rejected: bool = False
    seam: dict[int, Acted] = field(default_factory=dict)
    log: list[int] = field(default_factory=list)
    passed: int = 0
    parked: list[int] = field(default_factory=list)
    claims: dict[int, str] = field(default_factory=dict)
    recorded: dict[int, Acted] = field(default_factory=dict)
    effects: dict[int, str] = field(default_factory=dict)  # planned, called, done
    row: Fact | None = None
    away: Fact | None = None  # a row that is taken out for a moment, as by a repair
    ledger: list[Fact] = field(default_factory=list)
    called: int = 0  # by legacy, in a transaction that is open
    transactions: int = 0
    back: str = ""  # of the hand-back: "", claimed, tombstoned, run, done
    losses: list[Loss] = field(default_factory=list)

    def moves(self) -> Mapping[str, Move]:
        """All that may happen next, losses aside."""
        every: Mapping[str, tuple[bool, Move]] = {
            "keep": (self.waits and self.version == 0, self._keep),
            "call": (self._legacy_is_due() and self.mails and not self.called, self._call),
            "commit": (self._legacy_is_due() and (bool(self.called) or not self.mails), self._commit),
            "skip": (self._decision_is_due() and not self._legacy_is_due(), self._commit),
            "roll back": (bool(self.called) and self.undecided and self.transactions < 3, self._roll_back),
            "handle": (self.passed < len(self.log), self._handle),
            "park": (self.passed < len(self.log) and not self.parked, self._park),
            "release": (bool(self.parked), self._release),
            "send": ("planned" in self.effects.values(), self._send),
            "conclude": ("called" in self.effects.values(), self._conclude),
            "hand back": (self._hand_back_is_due(), self._hand_back),
            "put back": (self.away is not None, self._put_back),
        }
        return {name: move for name, (enabled, move) in every.items() if enabled}

    def injuries(self) -> Mapping[str, Move]:
        """The faults that can be done now."""
        newest = self.passed and self.log[self.passed - 1]
        every: Mapping[str, tuple[bool, Move]] = {
            "skip event": (self.passed < len(self.log) and self._acts() and not self.parked, self._lose_event),
            "forget mail": (bool(self.ledger), self._lose_mail),
            "double mail": (bool(self.ledger), self._double_mail),
            "delete row": (self.row is not None and self.row.version == newest, self._lose_row),
            "take out": (self.row is not None and not self.losses, self._take_out),
        }
        return {name: move for name, (enabled, move) in every.items() if enabled and name in self.faults}

    # What the judge reads, each at one moment

    def legacy(self) -> LegacySnapshot:
        order = SubjectFacts(REF, self._versions(), Ownership(3, {STEP[self.mails]: self._owner()}), REF)
        order = replace(order, undecided=self.undecided, rejected_by="other" if self.rejected else "")
        back = {"run": "tombstoned"}.get(self.back, self.back if self.back != "claimed" else "")
        of_step = LegacyStep({REF: self._oracle()}, {REF: list(self.seam.values())}, {REF: back} if back else {})
        orders = {REF: order} if self.version else {}
        return LegacySnapshot(orders, {STEP[self.mails]: of_step}, frozenset())

    def new(self) -> NewSnapshot:
        effects = [replace(self.fact(one), pending=state != "done") for one, state in self.effects.items()]
        rows = effects if self.mails else [self.row] if self.row else []
        parked = frozenset({REF.encode()} if self.parked else ())
        return NewSnapshot({REF: dict(self.claims)}, {REF: list(self.recorded.values())}, {REF: rows}, parked)

    def book(self) -> Mapping[str, Sequence[Fact]] | None:
        return {REF: list(self.ledger)} if self.mails else None

    def fact(self, version: int) -> Fact:
        return mail(version, f"mail-{version}") if self.mails else document(version)

    # Legacy

    def _owner(self) -> Owner:
        return Owner.LEGACY if self.back in ("run", "done") else self.owner

    def _versions(self) -> int:
        return self.version + self.rejected

    def _oracle(self) -> list[Fact]:
        if self.rejected or self.version == 0 or (self.undecided and not self.early):
            return []
        versions = range(1, self.version + 1) if self.mails else [self.version]
        return [replace(self.fact(version), pending=self.undecided) for version in versions]

    def _decision_is_due(self) -> bool:
        if self.rejected or self.back not in ("", "done"):
            return False
        return self.undecided or (self.version < self.last and not (self.waits and self.version == 0))

    def _legacy_is_due(self) -> bool:
        return self._decision_is_due() and self._owner() is not Owner.NEW and not self._refuses()

    def _refuses(self) -> bool:
        return self.refused and self.waits

    def _coming(self) -> int:
        return 1 if self.undecided else self.version + 1

    def _keep(self) -> None:
        self.version, self.undecided = 1, True
        if self.early:
            self.log.append(1)

    def _call(self) -> None:
        self.called, self.transactions = self._coming(), self.transactions + 1
        if not self._sent(self.called):  # the key is the same each time
            self.ledger.append(self.fact(self.called))

    def _roll_back(self) -> None:
        self.called = 0

    def _commit(self) -> None:
        coming, legacy_acts = self._coming(), self._legacy_is_due()
        told = not (self.early and self.undecided)
        self.rejected = self.undecided and self._refuses()
        self.version, self.undecided, self.called = coming, False, 0
        if legacy_acts and "forget record" in self.faults and (self.owner is Owner.SHADOW or not self.mails):
            self._lose_record(coming)
        elif legacy_acts:
            self.seam[coming] = acted(coming, self.fact(coming))
        if told and not self.rejected:
            self.log.append(coming)

    # The new side

    def _acts(self) -> bool:
        return self._owner() is not Owner.LEGACY and not self.back

    def _handle(self) -> None:
        version = self.log[self.passed]
        self.passed += 1
        if self.parked:
            self.parked.append(version)
        else:
            self._apply(version)

    def _apply(self, version: int) -> None:
        if self.owner is Owner.SHADOW:
            self.recorded[version] = acted(version, self.fact(version))
        elif self.owner is Owner.NEW and not self.back:
            self.claims[100 * version] = "applied"
            if self.mails:
                self.effects[version] = "planned"
            else:
                self.row = self.fact(version)

    def _park(self) -> None:
        self.parked.append(self.log[self.passed])
        self.passed += 1

    def _release(self) -> None:
        for version in self.parked:
            self._apply(version)
        self.parked.clear()

    def _send(self) -> None:
        version = next(one for one, state in self.effects.items() if state == "planned")
        self.effects[version] = "called"
        self.ledger.append(self.fact(version))

    def _conclude(self) -> None:
        version = next(one for one, state in self.effects.items() if state == "called")
        self.effects[version] = "done"

    def _hand_back_is_due(self) -> bool:
        settled = self.version > 0 and not self.undecided and not self.rejected and not self.called
        begun = self.back not in ("", "done")
        return begun or (self.handed_back and self.owner is Owner.NEW and settled and not self.claims and not self.back)

    def _hand_back(self) -> None:
        match self.back:
            case "":
                self.back, self.claims[100] = "claimed", "tombstone"
            case "claimed":
                self.back = "tombstoned"
            case "tombstoned":
                self.back = "run"
                if self.mails:
                    self.ledger += [self.fact(version) for version in range(1, self.version + 1)]
            case _:
                self.back = "done"

    # What is lost

    def _lose_event(self) -> None:
        version = self.log[self.passed]
        self.passed += 1
        self._lost(100 * version, lambda: not self.back and (version in self.seam or self._speaks(version)))

    def _lose_mail(self) -> None:
        """The gateway forgets; a retry of legacy's brings it back."""
        version = _of(self.ledger.pop())
        self._lost(100 * version, lambda: self._sent(version) == 0)

    def _double_mail(self) -> None:
        version = _of(self.ledger[-1])
        self.ledger.append(replace(self.ledger[-1], number=0))
        self.losses.append(Loss(100 * version, "duplicate", lambda: self._sent(version) > 1))

    def _sent(self, version: int) -> int:
        return sum(_of(entry) == version for entry in self.ledger)

    def _lose_row(self) -> None:
        assert self.row is not None
        version, self.row = self.row.version, None
        self._lost(100 * version, lambda: self.row is None and version == self.version)

    def _take_out(self) -> None:
        self.away, self.row = self.row, None

    def _put_back(self) -> None:
        self.row, self.away = self.row or self.away, None

    def _lose_record(self, version: int) -> None:
        # A hand-back's audit is a witness for all versions.
        self._lost(100 * version, lambda: not self.back and (version in self.recorded or self._speaks(version)))

    def _speaks(self, version: int) -> bool:
        """An oracle of rows speaks of the newest version alone."""
        return self.mails or version == self.version

    def _lost(self, number: int, holds: Callable[[], bool]) -> None:
        self.losses.append(Loss(number, "missing", holds))


def _of(entry: Fact) -> int:
    """The version that a mail is for, by what it says."""
    return int(str(entry.fields["template"]).partition("-")[2])
