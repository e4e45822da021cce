"""Subjects that the new side owns, by its own account: claims against what they stand for, calls against the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.facts import FINDINGS, KIND, TARGET, Fact, Judgement, Kept, Verdict
from strangler.reconcile.expectation import concerns_vendor
from strangler.reconcile.findings import judgement, of_fact, of_pair, repeated, under_way
from strangler.reconcile.pairing import pair
from strangler.reconcile.reasons import Reason, given_up
from strangler.reconcile.subject_evidence import SubjectEvidence, Visibility
from strangler.step.digests import digest
from strangler.step.intents import INTENTS_PER_EVENT, Json, Write, first_number, to_json


def judge_account(case: SubjectEvidence) -> Iterator[Judgement]:
    """All that can be said without a witness: MATCH only by the word of a vendor, else ACTED."""
    yield from _events(case)
    yield from _claims(case)
    yield from _strays(case)
    if case.ledger is not None:
        yield from _ledger(case)


def contradictions(case: SubjectEvidence) -> Iterator[Judgement]:
    """What of the account contradicts itself: beside a witness only that is news."""
    return (one for one in (*_claims(case), *_strays(case)) if one.verdict in FINDINGS)


def absent(case: SubjectEvidence, number: int, reason: Reason) -> tuple[Verdict, str]:
    """The class of what should be there under a number and is not."""
    if case.running_hand_back:
        return Verdict.LATE, Reason.HANDING_BACK
    if number in case.new.shed:
        return Verdict.SHED, given_up(case.new.shed[number])
    if case.new.parked:
        return Verdict.LATE, Reason.PARKED
    return (Verdict.MISSING, reason) if case.state is Visibility.PASSED else (Verdict.LATE, Reason.BEHIND)


def _events(case: SubjectEvidence) -> Iterator[Judgement]:
    """Every event that asks the step for something has a claim, once it was passed."""
    for change in case.due:
        first = first_number(change.version)
        if not _has_acted(case, change.version):
            verdict, reason = absent(case, first, Reason.NO_CLAIM)
            yield judgement(case, first, verdict, reason, {"event": change.type})
    if not (case.legacy.changes or case.new.claims or case.new.actual or case.ledger):
        yield judgement(case, first_number(1), Verdict.UNKNOWN, Reason.NO_ACCOUNT, {})


def _has_acted(case: SubjectEvidence, version: int) -> bool:
    return any(kind == "applied" and number // INTENTS_PER_EVENT == version for number, kind in case.new.claims.items())


def _claims(case: SubjectEvidence) -> Iterator[Judgement]:
    """What each claim stands for is there, and as it was wanted. One that keeps no digests stands for itself."""
    calls = {fact.number: fact for fact in case.new.actual if fact.fields.get(KIND) == "call"}
    newest = max((first for first, wanted in case.new.wanted.items() if any(map(_is_row, wanted))), default=0)
    for first, kind in case.new.claims.items():
        if kind == "applied" and first not in case.new.wanted and first not in calls:
            yield judgement(case, first, Verdict.ACTED, Reason.OWN_WORD, {})
    for first, wanted in case.new.wanted.items():
        if not wanted:
            yield judgement(case, first, Verdict.ACTED, Reason.WANTED_NOTHING, {})
        for number, want in enumerate(wanted, first):
            if want.startswith("c"):
                yield from _call(case, number, want, calls.get(number))
            elif want.startswith("e") and want not in case.new.emitted:
                yield judgement(case, number, Verdict.MISSING, Reason.EVENT_LOST, {"claim": first})
            elif not _is_row(want) or case.rules.kept is None:
                yield judgement(case, number, Verdict.ACTED, Reason.OWN_WORD, {})
            elif first == newest:
                yield _row(case, number, case.rules.kept)


def _call(case: SubjectEvidence, number: int, want: str, effect: Fact | None) -> Iterator[Judgement]:
    if effect is None:
        yield judgement(case, number, Verdict.MISSING, Reason.EFFECT_LOST, {"claim": number})
    elif digest({"kind": "call", "target": effect.fields.get(TARGET), "body": _body(effect)}) != want:
        yield of_fact(case, effect, Verdict.MISMATCH, Reason.CLAIM_DIFFERS, side="actual")
    elif case.ledger is None or not concerns_vendor(effect, case.rules):
        yield _by_own_word(case, effect)


def _by_own_word(case: SubjectEvidence, effect: Fact) -> Judgement:
    if effect.pending:
        return of_fact(case, effect, *under_way(effect), side="actual")
    if effect.never_accepted:
        return of_fact(case, effect, Verdict.MISSING, Reason.NEVER_ACCEPTED, side="expected")
    if effect.refused:
        return judgement(case, effect.number, Verdict.FAILED, Reason.VENDOR_REFUSED, {})
    return judgement(case, effect.number, Verdict.ACTED, Reason.OWN_WORD, {})


def _row(case: SubjectEvidence, number: int, kept: Kept) -> Judgement:
    """The row that the newest claim stands for; those of earlier ones were replaced by it. Of several writes of one
    version one stays.
    """
    rows = [fact for fact in case.new.actual if fact.fields.get(KIND) == "write"]
    if not rows:
        return judgement(case, number, Verdict.MISSING, Reason.CLAIMED_ROW_LOST, {"claim": number})
    row = max(rows, key=lambda fact: fact.version)
    version = number // INTENTS_PER_EVENT
    if row.version < version:
        versions = {"expected_version": version, "actual_version": row.version}
        return judgement(case, number, Verdict.MISSING, Reason.OLD_VERSION, versions)
    if row.version > version and not _has_acted(case, row.version):
        return of_fact(case, row, Verdict.EXTRA, Reason.WITHOUT_CLAIM, side="actual")
    shown = kept(case.subject_ref, Write(str(row.fields.get(TARGET)), _body(row)))
    wanted = [each for first, each in case.new.wanted.items() if first // INTENTS_PER_EVENT == version]
    is_known = row.version == version  # by a claim of an older release nothing is
    if is_known and (shown is None or not any(digest(to_json([shown])[0]) in each for each in wanted)):
        return of_fact(case, row, Verdict.MISMATCH, Reason.CLAIM_DIFFERS, side="actual", number=number)
    return judgement(case, number, Verdict.ACTED, Reason.OWN_WORD, {})


def _strays(case: SubjectEvidence) -> Iterator[Judgement]:
    """Calls and rows of events that have no claim, and calls beyond what their claim stands for; but for those that
    follow a vendor's answer, and those of which an older release's claim tells nothing.
    """
    acted = {number for number, kind in case.new.claims.items() if kind in ("applied", "backfilled")}
    versions = {number // INTENTS_PER_EVENT for number in acted}
    told = {number for first, wanted in case.new.wanted.items() for number in range(first, first + len(wanted))}
    told_versions = {number // INTENTS_PER_EVENT for number in case.new.wanted}
    holds_rows = case.rules.kept and not any(_is_row(want) for wanted in case.new.wanted.values() for want in wanted)
    for fact in case.new.actual:
        is_call = fact.fields.get(KIND) == "call"
        version = fact.number // INTENTS_PER_EVENT
        if fact.number in told or not (is_call or holds_rows):
            continue
        if version not in versions:
            yield of_fact(case, fact, Verdict.EXTRA, Reason.WITHOUT_CLAIM, side="actual")
        elif is_call and version in told_versions and not case.rules.concludes:
            yield of_fact(case, fact, Verdict.EXTRA, Reason.BEYOND_CLAIM, side="actual")
        elif is_call and (case.ledger is None or not concerns_vendor(fact, case.rules)):
            yield _by_own_word(case, fact)


def _ledger(case: SubjectEvidence) -> Iterator[Judgement]:
    """The vendor's word on what was planned. What it refused it must not have."""
    asked = [fact for fact in case.new.actual if concerns_vendor(fact, case.rules) and not fact.refused]
    pairing = pair(asked, case.ledger or (), case.rules.identity)
    for each in pairing.pairs:
        yield of_pair(case, each, Reason.OTHER_FIELDS)
    for fact in pairing.missing:
        verdict, reason = under_way(fact) if fact.pending else (Verdict.MISSING, Reason.NOT_IN_LEDGER)
        yield of_fact(case, fact, verdict, reason, side="expected")
    yield from repeated(case, pairing.repeated, Reason.REPEATED)
    refused = {fact.number for fact in case.new.actual if fact.refused}
    for fact in pairing.extra:
        if _claimed(case, fact.number).startswith("c") and fact.number not in refused:
            continue  # planned by nobody any more: its claim is judged
        yield of_fact(case, fact, Verdict.EXTRA, _unasked(case, fact), side="actual")
    for fact in case.new.actual:
        if fact.refused and concerns_vendor(fact, case.rules):
            yield _by_own_word(case, fact)


def _claimed(case: SubjectEvidence, number: int) -> str:
    """The digest under that number; "" without one."""
    for first, wanted in case.new.wanted.items():
        if first <= number < first + len(wanted):
            return wanted[number - first]
    return ""


def _unasked(case: SubjectEvidence, fact: Fact) -> Reason:
    first = fact.number // INTENTS_PER_EVENT * INTENTS_PER_EVENT
    is_claimed = any(first <= number <= fact.number for number in case.new.claims)
    return Reason.UNWANTED if is_claimed or not fact.number else Reason.UNCLAIMED


def _is_row(want: str) -> bool:
    return want.startswith("w")


def _body(fact: Fact) -> dict[str, Json]:
    return {name: value for name, value in fact.fields.items() if name not in (KIND, TARGET)}
