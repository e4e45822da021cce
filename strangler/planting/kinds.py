"""The kinds of faults: something of a step is dropped, doubled or altered, in its tables or at its vendor."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import LiteralString

from strangler.errors import BadInput, RefusedError
from strangler.planting.rows import alter_row, drop_row, kept_alone
from strangler.planting.world import Planted, World, altered
from strangler.service.http_vendor import HttpVendor
from strangler.step.conclude import tell
from strangler.step.intents import Json, effect_key
from strangler.step.vendor import AnswerKind

DROP_EFFECT: LiteralString = """
DELETE FROM effect WHERE (subject_ref, step, number) = (%(ref)s, %(step)s, %(number)s)"""
ALTER_EFFECT: LiteralString = """
UPDATE effect SET body = %(body)s::jsonb WHERE (subject_ref, step, number) = (%(ref)s, %(step)s, %(number)s)"""
DOUBLE_EFFECT: LiteralString = """
INSERT INTO effect (subject_ref, step, number, key, vendor, operation, body, state, ended_at)
SELECT subject_ref, step, number + 1, %(key)s, vendor, operation, body, 'done', now() FROM effect
WHERE (subject_ref, step, number) = (%(ref)s, %(step)s, %(number)s)
ON CONFLICT DO NOTHING"""

# The newest claim of each subject, if it alone stands for a call that is done: else its loss shows nowhere.
CLAIMED: LiteralString = """
SELECT claim.subject_ref, claim.number FROM claim JOIN effect USING (subject_ref, step, number)
WHERE step = %(step)s AND claim.kind = 'applied' AND claim.intents > 0 AND effect.state = 'done'
  AND NOT EXISTS (SELECT FROM claim AS other
                  WHERE (other.subject_ref, other.step) = (claim.subject_ref, claim.step)
                    AND other.number <> claim.number AND other.number >= claim.number / 100 * 100)
ORDER BY subject_ref"""
DROP_CLAIM: LiteralString = """
DELETE FROM claim WHERE (subject_ref, step, number) = (%(ref)s, %(step)s, %(number)s)"""

RECORDED: LiteralString = """
SELECT subject_ref, version FROM strangler.seam_record
WHERE step = %(step)s AND state = 'done' AND call = 1 AND jsonb_array_length(intents) > 0"""
SHADOWED: LiteralString = """
SELECT subject_ref, version * 100, intents FROM intent
WHERE step = %(step)s AND jsonb_array_length(intents) > 0
  AND (subject_ref, version) IN (SELECT * FROM unnest(%(refs)s::text[], %(versions)s::bigint[]))
ORDER BY subject_ref, version"""
DROP_INTENT: LiteralString = """
DELETE FROM intent WHERE (subject_ref, step, version) = (%(ref)s, %(step)s, %(number)s / 100)"""
ALTER_INTENT: LiteralString = """
UPDATE intent SET intents = %(intents)s::jsonb
WHERE (subject_ref, step, version) = (%(ref)s, %(step)s, %(number)s / 100)"""


def drop_effect(world: World) -> Planted:
    """A call that was planned and done is planned no more."""
    call = world.done_call()
    world.spoil(world.context, DROP_EFFECT, ref=call.subject_ref, number=call.number)
    return Planted("dropped_effect", world.step, call.subject_ref, call.number, "missing")


def alter_effect(world: World) -> Planted:
    """A planned call says something else than its claim was made for."""
    call = world.done_call()
    other = json.dumps(altered(call.body, call.subject_ref))
    world.spoil(world.context, ALTER_EFFECT, ref=call.subject_ref, number=call.number, body=other)
    return Planted("altered_effect", world.step, call.subject_ref, call.number, "mismatch")


def double_effect(world: World) -> Planted:
    """The same call is planned once more, under the next number."""
    if world.service.conclude is not tell:
        raise RefusedError(f"{world.step} may plan calls after an answer, so one more cannot be told from those")
    call = world.done_call()
    key = effect_key(call.subject_ref, world.step, call.number + 1)
    world.spoil(world.context, DOUBLE_EFFECT, ref=call.subject_ref, number=call.number, key=key)
    return Planted("doubled_effect", world.step, call.subject_ref, call.number + 1, "extra")


def drop_claim(world: World) -> Planted:
    """Something was done, and nobody has claimed it."""
    ref, number = world.choose(world.context, CLAIMED) if world.service.vendors else kept_alone(world)
    world.spoil(world.context, DROP_CLAIM, ref=ref, number=number)
    return Planted("dropped_claim", world.step, ref, number, "extra")


def drop_intent(world: World) -> Planted:
    """A shadow has passed an event and recorded no decision."""
    ref, number, _ = _shadowed(world)
    world.spoil(world.context, DROP_INTENT, ref=ref, number=number)
    return Planted("dropped_intent", world.step, ref, number, "missing")


def alter_intent(world: World) -> Planted:
    """A shadow would have done something else."""
    ref, number, intents = _shadowed(world)
    first, *others = intents
    other = json.dumps([{**first, "body": altered(first["body"], ref)}, *others])
    world.spoil(world.context, ALTER_INTENT, ref=ref, number=number, intents=other)
    return Planted("altered_intent", world.step, ref, number, "mismatch")


def double_entry(world: World) -> Planted:
    """The vendor is asked for the same again under another key: it does it twice."""
    call = world.done_call()
    declared = world.service.vendors[call.vendor]
    one = declared[call.operation] if isinstance(declared, Mapping) else declared
    if not isinstance(one, HttpVendor) or not one.ledger_subject:
        raise RefusedError(
            f"the ledger of {call.vendor} does not tell whose a foreign entry is; declare its `ledger_subject`"
        )
    planted = Planted("doubled_entry", world.step, call.subject_ref, call.number, "duplicate")
    if world.dry_run:
        return planted
    key = f"planted-{world.rng.getrandbits(64):x}"
    answer = one.at(world.environ).send(key, call.operation, call.body)
    if answer.kind is not AnswerKind.DONE:
        raise RefusedError(f"{call.vendor} did not do it again: {answer.kind} {dict(answer.detail)}; plant again")
    return planted


KINDS: Mapping[str, Callable[[World], Planted]] = MappingProxyType(
    {
        "dropped_effect": drop_effect,
        "altered_effect": alter_effect,
        "doubled_effect": double_effect,
        "dropped_claim": drop_claim,
        "dropped_row": drop_row,
        "altered_row": alter_row,
        "dropped_intent": drop_intent,
        "altered_intent": alter_intent,
        "doubled_entry": double_entry,
    }
)


def plant(kind: str, world: World) -> Planted:
    """Plant one fault, committed. `BadInput` for an unknown kind, `RefusedError` where there is nothing to spoil."""
    if kind not in KINDS:
        raise BadInput(f"no fault is called {kind!r}; known: {', '.join(KINDS)}")
    return KINDS[kind](world)


def _shadowed(world: World) -> tuple[str, int, list[dict[str, Json]]]:
    """A decision of the shadow that legacy's record stands beside."""
    with world.main.transaction():
        recorded = world.main.execute(RECORDED, {"step": world.step}).fetchall()
    refs, versions = [ref for ref, _ in recorded], [version for _, version in recorded]
    ref, number, intents = world.choose(world.context, SHADOWED, refs=refs, versions=versions)
    return ref, number, intents
