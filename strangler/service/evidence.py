"""What the judge reads of a service, made from its declaration: rows, ledgers, and what nobody reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from strangler.facts import KIND, TARGET, DeclaredEvidence, Fact
from strangler.service.http_vendor import HttpVendor
from strangler.service.rows import Rows
from strangler.service.vendors import Declared
from strangler.step.apply import ApplyWrites

Place = tuple[str, str]  # of a ledger: its vendor's address, and the request


def evidence_of(
    step: str,
    on: tuple[str, ...],
    writes: ApplyWrites | Rows | None,
    vendors: Mapping[str, Declared],
    *,
    concludes: bool = False,
) -> DeclaredEvidence:
    """What follows from a declaration."""
    rows = writes if isinstance(writes, Rows) else None
    told = {name for name, vendor in vendors.items() if _all_tell(vendor)}
    blind = [f"what {name} was really asked: its vendor has no ledger here" for name in sorted(vendors.keys() - told)]
    if writes is not None and rows is None:
        blind.append("the rows that its own code writes: the check has no `actual`")
    return DeclaredEvidence(
        on=frozenset(on),
        stateful=rows is not None,
        rows=rows.facts if rows else None,
        kept=rows.kept if rows else None,
        ledger=partial(_ledgers, step, {name: vendors[name] for name in told}) if told else None,
        vendors=frozenset(told),
        blind=tuple(blind),
        concludes=concludes,
        all_tell=len(told) == len(vendors),
    )


def _operations(vendor: Declared) -> Mapping[str, HttpVendor]:
    """By name; "" for a vendor that has one and does not name it. None for a vendor of the team's own making."""
    match vendor:
        case HttpVendor():
            return {"": vendor}
        case Mapping():
            return vendor
        case _:
            return {}


def _all_tell(vendor: Declared) -> bool:
    operations = _operations(vendor)
    return bool(operations) and all(one.ledger for one in operations.values())


def _ledgers(step: str, vendors: Mapping[str, Declared], environ: Mapping[str, str]) -> Iterator[Fact]:
    """What was asked of all of them. A ledger that several operations share is read once, and names none of them."""
    places: dict[Place, list[tuple[str, HttpVendor]]] = {}
    for name, vendor in vendors.items():
        for operation, one in _operations(vendor).items():
            target = f"{name}.{operation}" if operation else ""
            place = (one.url(environ, "the judge").rstrip("/"), one.ledger)
            places.setdefault(place, []).append((target, one))
    for place, operations in places.items():
        target = operations[0][0] if len(operations) == 1 else ""
        yield from _facts(step, target, place, [one for _, one in operations])


def _facts(step: str, target: str, place: Place, operations: Sequence[HttpVendor]) -> Iterator[Fact]:
    from strangler.service.http_ledger import read_ledger  # noqa: PLC0415 - a declaration imports no HTTP client

    marks = {KIND: "call", TARGET: target} if target else {KIND: "call"}
    shares_keys = any(one.key is not None for one in operations)
    subject_field = next((one.ledger_subject for one in operations if one.ledger_subject), "")
    for entry in read_ledger(*place):
        named, by, number = _parts(entry.key)
        said = entry.body.get(subject_field)
        subject_ref = named if by == step else "" if said is None else str(said)
        if by not in ("", step) and named == subject_ref and not shares_keys:
            continue  # another step asked for it
        if by != step or shares_keys:  # of several effects that share one key nobody knows which it was
            number = 0
        if subject_ref:
            yield Fact(subject_ref, number, number // 100, {**entry.body, **marks}, answer=entry.answer)


def _parts(key: str) -> tuple[str, str, int]:
    """Subject, step and number of a key that is made as ours are, `subject:step:number`; "" and 0 of any other."""
    subject_ref, _, number = key.rpartition(":")
    subject_ref, _, step = subject_ref.rpartition(":")
    if not number.isdecimal() or len(number) > 9:
        return "", "", 0
    return subject_ref, step, int(number)
