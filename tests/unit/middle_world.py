"""A world of one order at one step of the middle, faults done to it, and what must therefore be said of it.

The expectation comes from how the world was made, not from looking at it: it shares nothing with the judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product

from strangler.facts import Fact
from strangler.ownership import Owner
from strangler.reconcile.subject_evidence import Acted, Rules, SubjectEvidence, Visibility
from tests.unit.judging import case, pending
from tests.unit.middle import (
    FRAUD,
    INVENTORY,
    PAYMENT,
    charge,
    charged,
    decision,
    maybe,
    observed,
    paid,
    payment,
    refund,
    refused,
    reservation,
    score,
    undone,
)  # fmt: skip


class Fate(StrEnum):
    """Of the order, in legacy's snapshot. `refused`: rejected at this step; `undone`: rejected by a later one."""

    PLACED = "placed"
    PENDING = "pending"
    REFUSED = "refused"
    UNDONE = "undone"


class Reach(StrEnum):
    """How far the new side has come: it has not seen the event, it has planned, all is done (and undone)."""

    NOTHING = "nothing"
    PLANNED = "planned"
    ALL = "all"


@dataclass(slots=True)
class World:
    """`must` is what has to be said, by number."""

    rules: Rules
    owner: Owner
    fate: Fate
    reach: Reach
    oracle: list[Fact] = field(default_factory=list)
    seam: list[Acted] = field(default_factory=list)
    recorded: list[Acted] = field(default_factory=list)
    claims: dict[int, str] = field(default_factory=dict)
    effects: list[Fact] = field(default_factory=list)
    rows: list[Fact] = field(default_factory=list)
    ledger: list[Fact] = field(default_factory=list)
    must: dict[int, str] = field(default_factory=dict)

    @property
    def vendor(self) -> bool:
        return self.rules is not INVENTORY

    @property
    def done(self) -> bool:
        """The new side has acted on what it owns, and nothing is under way."""
        return self.owner is Owner.NEW and self.reach is Reach.ALL

    @property
    def called(self) -> bool:
        """The vendor has done what it was asked for, whoever asked."""
        return bool(self.ledger)

    def case(self) -> SubjectEvidence:
        """What the judge gets to see."""
        return case(
            self.owner,
            rules=self.rules,
            version=2 if self.fate in (Fate.REFUSED, Fate.UNDONE) else 1,
            oracle=self.oracle,
            seam=self.seam,
            recorded=self.recorded,
            claims=self.claims,
            actual=[*self.effects, *self.rows],
            ledger=self.ledger if self.vendor else None,
            state=Visibility.PASSED if self.reach is Reach.ALL else Visibility.BEHIND,
        )


def call(world: World) -> Fact:
    return score() if world.rules is FRAUD else charge()


def accepted(world: World) -> Fact:
    """The call as its ledger has it."""
    return score() if world.rules is FRAUD else charged()


def row(world: World) -> Fact:
    match world.rules.step, world.fate:
        case "fraud", Fate.REFUSED:
            return decision(95, "refused")
        case "fraud", _:
            return decision()
        case "inventory", Fate.UNDONE:
            return reservation(2, {})
        case "inventory", _:
            return reservation()
        case _:
            return payment(state="refunded" if world.fate is Fate.UNDONE else "taken")


def worlds() -> Iterator[World]:
    """Every possible one. A rejected order's refusal was heard; what legacy ran of it, its seam alone knows."""
    for rules, owner, fate, reach in product((FRAUD, INVENTORY, PAYMENT), Owner, Fate, Reach):
        rejected = fate in (Fate.REFUSED, Fate.UNDONE)
        if rejected and (owner is not Owner.NEW or (fate is Fate.REFUSED and reach is not Reach.ALL)):
            continue
        if reach is Reach.PLANNED and owner is not Owner.NEW:
            continue
        world = World(rules, owner, fate, reach)
        _expect(world)
        (_new if owner is Owner.NEW else _legacy)(world)
        yield world


def _expect(world: World) -> None:
    wanted = paid() if world.rules is PAYMENT else [call(world), row(world)] if world.vendor else [row(world)]
    match world.fate:
        case Fate.PENDING:
            wanted = maybe(wanted)
        case Fate.REFUSED if world.rules is not FRAUD:
            wanted = undone(refused=True) if world.vendor else []
        case Fate.UNDONE if world.rules is PAYMENT:
            wanted = undone()
    world.oracle = wanted


def _legacy(world: World) -> None:
    """A pending order has not come to legacy's step yet."""
    numbers = [100, 101] if world.vendor else [100]
    if world.fate is Fate.PENDING:
        world.must = dict.fromkeys(numbers[: 1 if world.owner is Owner.LEGACY else 2], "late")
        return
    acts = observed(1, *([call(world)] if world.vendor else []), row(world))
    world.seam = [acts]
    world.must = {100: "match"}
    if world.vendor:
        world.ledger = [accepted(world)]
    if world.owner is Owner.SHADOW:
        seen = world.reach is Reach.ALL
        world.recorded = [acts] if seen else []
        world.must = dict.fromkeys(numbers, "match" if seen else "late")


def _new(world: World) -> None:
    if world.reach is not Reach.NOTHING:
        world.claims = {100: "applied"}
    if world.vendor:
        _new_with_vendor(world)
    else:
        _new_without(world)


def _new_without(world: World) -> None:
    if world.fate is Fate.REFUSED:
        return
    if world.fate is Fate.UNDONE:
        world.claims = {100: "applied"}
        world.rows = [row(world) if world.reach is Reach.ALL else reservation()]
        world.must = {200: "match" if world.reach is Reach.ALL else "late"}
    else:
        world.rows = [] if world.reach is Reach.NOTHING else [row(world)]
        world.must = {100: "late" if world.reach is Reach.NOTHING else "match"}


def _new_with_vendor(world: World) -> None:
    if world.rules is PAYMENT and world.fate is Fate.REFUSED:
        world.effects, world.must = [refused(charge())], {100: "match"}
    elif world.reach is Reach.ALL or world.fate is Fate.UNDONE:
        world.claims = {100: "applied"}
        world.effects, world.ledger, world.rows = [call(world)], [accepted(world)], [row(world)]
        world.must = {100: "match", 101: "match"}
        if world.rules is PAYMENT and world.fate is Fate.UNDONE:
            _refund(world)
    else:
        world.effects = [pending(call(world))] if world.reach is Reach.PLANNED else []
        world.must = {100: "late", 101: "late"}


def _refund(world: World) -> None:
    if world.reach is Reach.NOTHING:
        world.rows, world.must[150] = [payment()], "late"
    elif world.reach is Reach.PLANNED:
        world.rows, world.must[150] = [payment()], "late"
        world.effects.append(pending(refund()))
    else:
        world.effects.append(refund())
        world.ledger.append(refund())
        world.must[150] = "match"
