"""The reasons of verdicts, in words that a subject's owner understands; the number says of how many subjects."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a verdict is what it is. Reads on from "n subjects' <step>: ..."."""

    SAME = "both sides agree"
    LEDGER_SAYS = "the vendor has it; legacy's own record of it has no end"
    # acted
    OWN_WORD = "done by the new side's own account, and nobody else says what it should have done"
    LEGACY_WORD = "done by legacy's own account, and nobody else says what it should have done"
    WANTED_NOTHING = "claimed, and the step wanted nothing"
    # failed
    VENDOR_REFUSED = "the vendor refused it, by our own account"
    LEGACY_FAILED = "legacy's call failed, and its own record says so"
    # late
    BEHIND = "the new side has not come to this event yet"
    PARKED = "the event is in quarantine; a person must release or give it up"
    PENDING = "planned, and the vendor has not accepted it yet"
    HANDING_BACK = "taken from the new side, and legacy has not run it yet"
    MOVED_ON = "legacy moved on after the snapshot; the next run judges it"
    STILL_ABLE = "legacy's process still lives and may act"
    IN_FLIGHT = "its request is under way at the facade, or had no answer a moment ago and may come again"
    UNDECIDED = "the subject is not decided yet: it may still come"
    TO_BACKFILL = "legacy's subject, and its backfill has not come to this version"
    # missing
    NEVER_ACCEPTED = "the vendor never accepted it, and nobody tries any more"
    NOT_IN_LEDGER = "done by our own account, and the vendor never accepted it"
    REFUSED = "the vendor refused it, and the subject stands"
    NEVER_REFUSED = "the subject was rejected here, and nobody refused it"
    NEVER_PLANNED = "the vendor never accepted it, and the new side never planned it"
    LEGACY_NOT_IN_LEDGER = "legacy says that it asked for it, and the vendor never accepted it"
    NOT_APPLIED = "the new side owns the subject, passed its event and did nothing"
    OLD_VERSION = "the new side passed the event and still has an older version"
    ROW_LOST = "an earlier version was applied and its row is gone; only a later one was given up"
    NOT_RECORDED = "the shadow passed the event and recorded no decision"
    SHADOW_WANTS_LESS = "legacy did it, and the shadow would not have"
    BACKFILL_LOST = "it was backfilled, and its row is gone"
    EFFECT_LOST = "the claim stands for a call that is not planned any more"
    CLAIMED_ROW_LOST = "the claim stands for a row that is gone"
    EVENT_LOST = "the claim stands for an event that was never told"
    NO_CLAIM = "the new side owns the subject, passed its event and has no claim of it"
    DIED_BEFORE = "legacy's process died between the change and its act, and the vendor never accepted it"
    NOBODY = "legacy owns the subject, and its seam has no record that it acted"
    # mismatch
    OTHER_FIELDS = "done with other content than expected"
    SHADOW_DIFFERS = "the shadow would have done it with other content"
    CLAIM_DIFFERS = "not what its claim was made for"
    FUTURE_VERSION = "the new side has a version that legacy never had"
    # extra and duplicate
    UNWANTED = "done, and nobody wanted it"
    PLANNED_UNWANTED = "planned by the new side, and nobody wants it"
    SHADOW_WANTS_MORE = "the shadow would have done it, and legacy did not"
    BOTH_ACTED = "legacy acted on a subject that the new side owns"
    NEW_ACTED = "the new side acted on a subject that it does not own"
    UNCLAIMED = "in the vendor's ledger, and the new side has not acted on it: somebody else did"
    REPEATED = "done more often than wanted"
    PLANNED_TWICE = "planned more often than wanted"
    BEYOND_CLAIM = "there, and its event's claim stands for less"
    WITHOUT_CLAIM = "there, and the new side has no claim of it"
    NO_ORDER = "done for a subject that does not exist"
    NO_VERSION = "done for a change of the subject that does not exist"
    # unknown
    DIED_IN_CALL = "legacy's process died between its call and the record; ask the vendor, or declare its ledger"
    PROCESS_UNKNOWN = "nobody knows which of legacy's processes made the change, so whether it may still act"
    UNSETTLED = "the vendor may have done it and cannot be asked; an operator settles it, see `strangler effects`"
    NO_ACCOUNT = "nobody says what was due: no witness, no recorded change, no claim"


def given_up(clause: str) -> str:
    """The reason of what was shed.

    >>> given_up("policy:advice.sampling.keep=0.1")
    'given up by policy:advice.sampling.keep=0.1; a replay makes up for it'
    """
    return f"given up by {clause}; a replay makes up for it"
