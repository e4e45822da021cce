"""A tiny world that two sides live through, faults done to it, and what must therefore be said of it.

The expectation comes from how the world was made, not from looking at it: it shares nothing with the judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from strangler.facts import Fact
from strangler.ownership import Owner
from strangler.reconcile.subject_evidence import Acted, SubjectEvidence, Visibility
from tests.unit.judging import DOCUMENT, MAIL, REF, acted, case, document, mail


@dataclass(slots=True)
class World:
    """One order that reached `version`. The new side has seen the first `seen` events and sent the first `sent`."""

    owner: Owner
    mails: bool
    version: int
    seen: int
    sent: int
    seam: dict[int, Acted] = field(default_factory=dict)
    recorded: dict[int, Acted] = field(default_factory=dict)
    claims: dict[int, str] = field(default_factory=dict)
    effects: dict[int, Fact] = field(default_factory=dict)
    ledger: dict[int, Fact] = field(default_factory=dict)
    strays: list[Fact] = field(default_factory=list)
    shed: dict[int, str] = field(default_factory=dict)
    row: Fact | None = None
    must: dict[int, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.seen == self.version

    def fact(self, version: int) -> Fact:
        return mail(version, f"mail-{version}") if self.mails else document(version)

    def live(self) -> World:
        """Let both sides do what they should, as far as they have come."""
        for version in range(1, self.version + 1):
            if self.owner is Owner.NEW:
                self._new(version)
            else:
                self._legacy(version)
        return self

    def case(self) -> SubjectEvidence:
        """What the judge gets to see."""
        versions = range(1, self.version + 1)
        return case(
            self.owner,
            rules=MAIL if self.mails else DOCUMENT,
            version=self.version,
            oracle=[self.fact(version) for version in versions] if self.mails else [self.fact(self.version)],
            seam=list(self.seam.values()),
            claims=self.claims,
            recorded=list(self.recorded.values()),
            actual=list(self.effects.values()) if self.mails else ([self.row] if self.row else []),
            ledger=[*self.ledger.values(), *self.strays] if self.mails else None,
            shed=self.shed,
            state=Visibility.PASSED if self.passed else Visibility.BEHIND,
        )

    def _legacy(self, version: int) -> None:
        number = version * 100
        self.seam[version] = acted(version, self.fact(version))
        if self.mails:
            self.ledger[version] = self.fact(version)
        if self.mails or version == self.version:  # by the vendor's word, or by legacy's own, as the oracle has it
            self.must[number] = "match"
        if self.owner is Owner.SHADOW:
            decided = version <= self.seen
            if decided:
                self.recorded[version] = acted(version, self.fact(version))
            self.must[number] = "match" if decided else "late"

    def _new(self, version: int) -> None:
        number, seen, sent = version * 100, version <= self.seen, version <= self.sent
        if seen:
            self.claims[number] = "applied"
            self.row = self.fact(version)
        if seen and self.mails:
            wanted = self.fact(version)
            self.effects[version] = Fact(REF, number, version, wanted.fields, pending=not sent)
        if sent and self.mails:
            self.ledger[version] = self.fact(version)
        if self.mails:
            self.must[number] = "match" if sent else "late"
        elif version == self.version:
            self.must[number] = "match" if seen else "late"


Fault = Callable[[World, int], None]


def lose_mail(world: World, version: int) -> None:
    if world.ledger.pop(version, None):
        world.must[version * 100] = "missing"


def double_mail(world: World, version: int) -> None:
    if version in world.ledger:
        world.strays.append(mail(0, f"mail-{version}", number=0))
        world.must[version * 100] = "duplicate"


def falsify_mail(world: World, version: int) -> None:
    if version in world.ledger:
        world.ledger[version] = mail(version, f"mail-{version}", total_minor="250")
        world.must[version * 100] = "mismatch"


def send_another_mail(world: World, version: int) -> None:
    if version in world.ledger:
        world.ledger[version] = mail(version, "of another kind")
        world.must[version * 100] = "mismatch"


def send_unwanted_mail(world: World, version: int) -> None:
    if world.mails:
        world.strays.append(mail(9, f"unwanted-{version}", number=version * 100 + 50))
        world.must[version * 100 + 50] = "extra"


def call_and_roll_back(world: World, version: int) -> None:
    """Legacy asked the vendor for a version that never committed."""
    if world.mails:
        world.strays.append(mail(9, f"rolled-back-{version}", number=(world.version + version) * 100))
        world.must[(world.version + version) * 100] = "extra" if world.owner is Owner.NEW else "orphan"


def claim_foreign_order(world: World, version: int) -> None:
    if world.owner is not Owner.NEW:
        world.claims[version * 100] = "applied"
        world.must[version * 100] = "extra"


def write_foreign_row(world: World, version: int) -> None:
    if world.owner is not Owner.NEW and not world.mails:
        world.row = document(version)
        world.must[version * 100] = "extra"


def run_legacy_too(world: World, version: int) -> None:
    if world.owner is Owner.NEW:
        world.seam[version] = acted(version)
        world.must[version * 100] = "extra"


def send_without_claim(world: World, version: int) -> None:
    """Somebody else mails before the new side has come to the event."""
    if world.owner is Owner.NEW and world.mails and version > world.seen:
        world.ledger[version] = world.fact(version)
        world.must[version * 100] = "extra"


def skip_event(world: World, version: int) -> None:
    """The new side drops what it has seen of the event."""
    if version > world.seen:
        return
    dropped = "missing" if world.passed else "late"
    if world.recorded.pop(version, None):
        world.must[version * 100] = dropped
    if world.owner is Owner.NEW and world.mails:
        del world.claims[version * 100], world.effects[version]
        world.ledger.pop(version, None)
        world.must[version * 100] = dropped


def give_up_event(world: World, version: int) -> None:
    """The new side has claimed what it has seen of the event as shed; a mail that is there was not the new side's."""
    if world.owner is not Owner.NEW or world.claims.get(version * 100) != "applied":
        return
    world.claims[version * 100], world.shed[version * 100] = "shed", "policy:world.sampling.keep=0.1"
    if world.mails:
        del world.effects[version]
        world.ledger.pop(version, None)
        world.must[version * 100] = "shed"
    elif version == world.version:
        kept = [number // 100 for number, kind in world.claims.items() if kind == "applied"]
        world.row = world.fact(max(kept)) if kept else None
        world.must[version * 100] = "shed"


def forget_record(world: World, version: int) -> None:
    """The seam fails to write down what legacy did. Where a ledger shows the mail, and nobody shadows, all is well."""
    if world.seam.pop(version, None) and (world.owner is Owner.SHADOW or not world.mails):
        oracle_speaks = world.mails or version == world.version
        if oracle_speaks or version in world.recorded:
            world.must[version * 100] = "missing"
        else:
            world.must.pop(version * 100, None)


def decide_otherwise(world: World, version: int) -> None:
    if version in world.recorded:
        wanted = world.fact(version)
        changed = Fact(REF, wanted.number, version, {**wanted.fields, "note": None})
        world.recorded[version] = acted(version, changed)
        world.must[version * 100] = "mismatch"


def decide_nothing(world: World, version: int) -> None:
    if version in world.recorded:
        world.recorded[version] = acted(version)
        world.must[version * 100] = "missing"


def decide_more(world: World, version: int) -> None:
    if version in world.recorded and world.mails:
        more = mail(version, "one more", number=version * 100 + 1)
        world.recorded[version] = acted(version, world.fact(version), more)
        world.must[version * 100 + 1] = "extra"


def spoil_row(world: World, version: int) -> None:
    """A wrong row is told apart from an old one: while a newer version is on its way, only that is said."""
    if world.owner is Owner.NEW and not world.mails and world.row is not None:
        world.row = document(world.row.version, text="spoilt")
        world.must[world.version * 100] = "mismatch" if world.passed else "late"


def delete_row(world: World, version: int) -> None:
    if world.owner is Owner.NEW and not world.mails:
        world.row = None
        world.must[world.version * 100] = "missing" if world.passed else "late"


def set_row_back(world: World, version: int) -> None:
    if world.owner is Owner.NEW and not world.mails and world.version > 1:
        world.row = document(world.version - 1)
        world.must[world.version * 100] = "missing" if world.passed else "late"


def write_future_row(world: World, version: int) -> None:
    if world.owner is Owner.NEW and not world.mails:
        world.row = document(world.version + 5)
        world.must[world.version * 100] = "mismatch"


OF_EVENTS: tuple[Fault, ...] = (
    lose_mail, double_mail, falsify_mail, send_another_mail, send_unwanted_mail, call_and_roll_back,
    claim_foreign_order, run_legacy_too, send_without_claim, skip_event, give_up_event, forget_record,
    decide_otherwise, decide_nothing, decide_more,
)  # fmt: skip
OF_ROWS: tuple[Fault, ...] = (write_foreign_row, spoil_row, delete_row, set_row_back, write_future_row)
