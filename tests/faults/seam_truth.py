"""What became of a seed's subjects, by the application's tables and the vendor's ledger; and who tells otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from strangler.facts import FINDINGS, Verdict
from strangler.ownership import Owner, Ownership
from tests.faults.seam_place import Place
from tests.faults.seam_report import SeamReport

Key = tuple[str, int]  # reference, number

# What must have its mail, or its charge: reference, version, owners, and what is not right with the row itself.
DUE = {
    "desk": """
SELECT subject_ref, change.version, ownership, '' FROM bookings JOIN strangler.subject_change AS change
USING (subject_ref) WHERE email LIKE %s""",
    "shop": """
SELECT subject_ref, version, ownership, CASE WHEN status <> 'paid' THEN 'it is still ' || status
WHEN charge_id IS NULL OR receipt IS NULL THEN 'it is paid without charge or receipt' ELSE '' END
FROM shop_orders WHERE email LIKE %s AND status <> 'refused'""",
}
SUBJECTS = {
    "desk": "SELECT subject_ref FROM bookings WHERE email LIKE %s",
    "shop": "SELECT subject_ref FROM shop_orders WHERE email LIKE %s",
}
TWICE = """
SELECT aggregateid, aggregatetype, type, count(*) FROM outbox.outbox WHERE aggregateid = ANY (%s)
GROUP BY aggregateid, aggregatetype, aggregate_version, type HAVING count(*) > 1"""
STORED = "SELECT subject_ref, number, class FROM strangler.verdict WHERE step = %s AND subject_ref = ANY (%s)"
TRUE_OF_NOTHING_DONE = (Verdict.MISSING, Verdict.FAILED)


@dataclass(frozen=True, slots=True)
class Said:
    """A final verdict of some run. `alive`: the process that could still act was stopped, not gone."""

    ref: str
    number: int
    verdict: Verdict
    reason: str
    during: str
    alive: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """Of one seed. `asked`: what the vendor has, by key. `foreign`: entries whose key is nobody's."""

    subjects: frozenset[str]
    due: Mapping[Key, Owner]
    asked: Counter[Key]
    foreign: Sequence[str]
    unfinished: Sequence[str]
    told_twice: Sequence[str]
    stored: Mapping[Key, Verdict] = field(default_factory=dict)


def truth_of(place: Place, mark: str) -> Truth:
    module, step, like = place.kind.module, place.kind.step, f"{mark}%"
    rows = place.main.execute(DUE[module].encode(), [like]).fetchall()
    subjects = {ref for (ref,) in place.main.execute(SUBJECTS[module].encode(), [like])}
    keys = [entry["key"] or "" for entry in place.ledger() if _whose(entry["body"]).startswith(mark)]
    ours = [key for key in keys if key.count(":") >= 2 and key.rpartition(":")[2].isdecimal()]
    asked = Counter(_parsed(key) for key in ours)
    refs = sorted(subjects | {ref for ref, _ in asked})
    return Truth(
        frozenset(subjects),
        {(ref, 100 * version): Ownership.from_header(owners).of(step) for ref, version, owners, _ in rows},
        asked,
        sorted((Counter(keys) - Counter(ours)).elements()),
        [f"{ref}: {wrong}" for ref, _, _, wrong in rows if wrong],
        [f"{ref} told {topic} {type_} {n} times" for ref, topic, type_, n in place.main.execute(TWICE, [refs])],
        {(ref, number): Verdict(name) for ref, number, name in place.main.execute(STORED, [step, refs])},
    )


def weigh(truth: Truth, said: Iterable[Said], seed: str, report: SeamReport) -> None:
    """Adds what is not as it must be to the report."""
    report.lost += [f"{seed}: {each}" for each in (*truth.unfinished, *_lost(truth))]
    report.doubled += [f"{seed}: {each}" for each in (*truth.told_twice, *_doubled(truth))]
    report.wrong += [f"{seed}: {each}" for each in _wrong(truth, said)]
    for key, owner in truth.due.items():
        report.changes[f"{owner}: {'done' if truth.asked[key] else 'not done'}"] += 1
    report.verdicts.update(verdict.value for verdict in truth.stored.values())


def _lost(truth: Truth) -> Iterator[str]:
    """A change that has its effect, or a true word that it has not; and what the vendor did for nobody is named too."""
    for key, owner in truth.due.items():
        told = owner is not Owner.NEW and truth.stored.get(key) in TRUE_OF_NOTHING_DONE
        if not truth.asked[key] and not told:
            yield f"{key} of {owner} is not done; the verdict is {truth.stored.get(key)}"
    for ref, number in truth.asked:
        if ref not in truth.subjects and truth.stored.get((ref, number)) is not Verdict.ORPHAN:
            yield f"{ref} {number} was done for nobody; the verdict is {truth.stored.get((ref, number))}"


def _doubled(truth: Truth) -> Iterator[str]:
    yield from (f"done under the foreign key {key!r}" for key in truth.foreign)
    for key, times in truth.asked.items():
        if times > 1 or (key[0] in truth.subjects and key not in truth.due):
            yield f"{key} was done {times} times, due {int(key in truth.due)}"


def _wrong(truth: Truth, said: Iterable[Said]) -> Iterator[str]:
    for one in said:
        if one.alive and one.verdict in FINDINGS:
            yield f"{one}: said while its process could still act"
        elif not _holds(truth, one):
            key = one.ref, one.number
            yield f"{one}: in the end due {key in truth.due}, done {truth.asked[key]}, now {truth.stored.get(key)}"


def _holds(truth: Truth, one: Said) -> bool:
    key = one.ref, one.number
    match one.verdict:
        case Verdict.MATCH | Verdict.ACTED:
            return key not in truth.due or bool(truth.asked[key])
        case Verdict.MISSING:
            return key in truth.due and not truth.asked[key]
        case Verdict.FAILED:
            return not truth.asked[key]
        case Verdict.ORPHAN:
            return one.ref not in truth.subjects
        case _:
            return False


def _parsed(key: str) -> Key:
    ref, _, number = key.rsplit(":", 2)
    return ref, int(number)


def _whose(body: Mapping[str, object]) -> str:
    return str(body.get("to") or body.get("email") or "")
