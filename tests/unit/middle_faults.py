"""Faults done to a world of the middle; each says what it can be done to, and what must then be said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from strangler.ownership import Owner
from strangler.reconcile.subject_evidence import Acted
from strangler.step.intents import Json
from tests.unit.middle import INVENTORY, PAYMENT, charged, decision, observed, refund, refused, reservation
from tests.unit.middle_world import Fate, Reach, World, accepted, call, row

Fault = Callable[[World], bool]  # False: it cannot be done to this world


def forget_call(world: World) -> bool:
    """The vendor forgets."""
    if not world.called:
        return False
    world.ledger = world.ledger[1:]
    world.must[100] = "missing"
    return True


def repeat_call(world: World) -> bool:
    if not world.called:
        return False
    world.ledger.append(replace(world.ledger[0], number=0))
    world.must[100] = "duplicate"
    return True


def falsify_call(world: World) -> bool:
    if not world.called:
        return False
    first = world.ledger[0]
    world.ledger[0] = replace(first, fields={**first.fields, "amount_minor": "250"})
    world.must[100] = "mismatch"
    return True


def call_unwanted(world: World) -> bool:
    """Somebody asks the vendor for what nobody wants: of legacy's orders it may be a change that was rolled back."""
    if not world.vendor:
        return False
    number = 50 if world.owner is not Owner.NEW else 900
    world.ledger.append(replace(accepted(world), number=number, fields={"$kind": "call", "$target": "else.what"}))
    world.must[number] = "extra"
    return True


def refund_unwanted(world: World) -> bool:
    if world.rules is not PAYMENT or world.fate not in (Fate.PLACED, Fate.PENDING):
        return False
    world.ledger.append(refund())
    world.must[150] = "extra"
    return True


def forget_refund(world: World) -> bool:
    if not (world.done and world.fate is Fate.UNDONE and world.rules is PAYMENT):
        return False
    world.ledger.pop()
    world.must[150] = "missing"
    return True


def never_refund(world: World) -> bool:
    """The consumer passed the rejection and did nothing."""
    if not forget_refund(world):
        return False
    world.effects.pop()
    return True


def refuse_and_stand(world: World) -> bool:
    """The vendor says no, and the order is accepted all the same."""
    if not (world.done and world.vendor and world.fate is Fate.PLACED):
        return False
    world.effects, world.ledger, world.rows = [refused(call(world))], [], []
    world.must = {100: "missing", 101: "missing"}
    return True


def reject_without_refusal(world: World) -> bool:
    if not (world.rules is PAYMENT and world.fate is Fate.REFUSED):
        return False
    world.effects = []
    world.must[100] = "missing"
    return True


def charge_the_rejected(world: World) -> bool:
    """Refused by the new side's account, charged by the provider's: it must be given back."""
    if not (world.rules is PAYMENT and world.fate is Fate.REFUSED):
        return False
    world.ledger = [charged()]
    world.must = {100: "match", 101: "missing", 150: "missing"}
    return True


def spoil_row(world: World) -> bool:
    """What it says is wrong, but not its version."""
    if not (world.done and world.rows):
        return False
    spoilt: dict[str, dict[str, Json]] = {
        "fraud": {"score": 41},
        "inventory": {"pieces": {"A": 9}},
        "payment": {"charge_id": "ch_0"},
    }
    world.rows[0] = replace(world.rows[0], fields={**world.rows[0].fields, **spoilt[world.rules.step]})
    world.must[world.rows[0].number] = "mismatch"
    return True


def delete_row(world: World) -> bool:
    if not (world.done and world.rows):
        return False
    world.must[world.rows.pop().number] = "late" if world.fate is Fate.PENDING else "missing"
    return True


def repeat_row(world: World) -> bool:
    if not (world.done and world.rows):
        return False
    world.rows.append(world.rows[0])
    world.must[world.rows[0].number] = "duplicate"
    return True


def keep_stock(world: World) -> bool:
    """An order that was rejected keeps its pieces."""
    if not (world.done and world.rules is INVENTORY and world.fate in (Fate.REFUSED, Fate.UNDONE)):
        return False
    world.rows = [reservation()]
    world.must = {200: "missing"} if world.fate is Fate.UNDONE else {100: "extra"}
    return True


def do_nothing(world: World) -> bool:
    """The new side passes the event as if it had none."""
    if not (world.done and world.fate in (Fate.PLACED, Fate.PENDING)):
        return False
    world.claims, world.effects, world.ledger, world.rows = {}, [], [], []
    world.must = dict.fromkeys(world.must, "late" if world.fate is Fate.PENDING else "missing")
    return True


def act_for_the_new_side(world: World) -> bool:
    """Somebody asks the vendor before the new side has come to the event."""
    if not (world.owner is Owner.NEW and world.vendor and world.reach is Reach.NOTHING and not world.called):
        return False
    world.ledger = [accepted(world)]
    world.must[100] = "extra"
    return True


def run_legacy_too(world: World) -> bool:
    if world.owner is not Owner.NEW:
        return False
    acts = [replace(call(world), number=100), decision()] if world.vendor else [reservation()]
    world.seam = [observed(1, *acts)]
    world.must |= {fact.number: "extra" for fact in acts}
    return True


def claim_foreign_order(world: World) -> bool:
    if world.owner is Owner.NEW:
        return False
    world.claims = {100: "applied"}
    world.must[100] = "extra"
    return True


def write_foreign_row(world: World) -> bool:
    if world.owner is Owner.NEW:
        return False
    world.rows = [row(world)]
    world.must[world.rows[0].number] = "extra"
    return True


def decide_otherwise(world: World) -> bool:
    """The shadow's row says something else."""
    if not world.recorded:
        return False
    *others, last = world.recorded[0].facts
    world.recorded = [Acted(1, (*others, replace(last, fields={**last.fields, "note": None})))]
    world.must[last.number] = "mismatch"
    return True


def decide_less(world: World) -> bool:
    if not world.recorded:
        return False
    *others, last = world.recorded[0].facts
    world.recorded = [Acted(1, tuple(others))]
    world.must[last.number] = "missing"
    return True


def decide_more(world: World) -> bool:
    if not world.recorded:
        return False
    more = replace(refund(), number=102)
    world.recorded = [Acted(1, (*world.recorded[0].facts, more))]
    world.must[102] = "extra"
    return True


def decide_nothing(world: World) -> bool:
    """The shadow passes the event without a record."""
    if not world.recorded:
        return False
    world.recorded = []
    world.must = dict.fromkeys(world.must, "missing")
    return True


def lose_record(world: World) -> bool:
    """The seam fails to write down what legacy did: a shadow misses it, for legacy alone the ledger speaks."""
    if not world.seam or world.owner is Owner.NEW:
        return False
    world.seam = []
    if world.owner is Owner.SHADOW:
        world.must = dict.fromkeys(world.must, "missing")
    elif not world.vendor:
        world.must[100] = "missing"
    return True


FAULTS: tuple[Fault, ...] = (
    forget_call, repeat_call, falsify_call, call_unwanted, refund_unwanted, forget_refund, never_refund,
    refuse_and_stand, reject_without_refusal, charge_the_rejected, spoil_row, delete_row, repeat_row, keep_stock,
    do_nothing, act_for_the_new_side, run_legacy_too, claim_foreign_order, write_foreign_row, decide_otherwise,
    decide_less, decide_more, decide_nothing, lose_record,
)  # fmt: skip
