"""Pairing: which actual effect answers which expected one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from strangler.reconcile.canonical import Difference, canonical, differences
from strangler.reconcile.facts import Fact
from strangler.step.intents import Json

Identity = Callable[[Mapping[str, Json]], str]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two facts about one effect, and what differs between them."""

    expected: Fact
    actual: Fact
    different: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Pairing:
    """`missing`: expected, without answer. `repeated`: one answer too many. `extra`: an answer to nothing."""

    pairs: list[Pair] = field(default_factory=list)
    missing: list[Fact] = field(default_factory=list)
    repeated: list[Pair] = field(default_factory=list)
    extra: list[Fact] = field(default_factory=list)


def pair(expected: Sequence[Fact], actual: Sequence[Fact], identity: Identity) -> Pairing:
    """Pair the facts of one order, n with n of each identity, equal ones first.

    What is left over on both sides under one number is one effect with a wrong identity, not two findings.
    """
    result = Pairing()
    wanted, there = _by_identity(expected, identity), _by_identity(actual, identity)
    for name in [*wanted, *(name for name in there if name not in wanted)]:
        _pair_one(wanted.get(name, []), there.get(name, []), result)
    _pair_by_number(result)
    return result


def identity_of(fact: Fact, identity: Identity) -> str:
    """The plan's name for the effect. Fields that it cannot read are an effect of their own."""
    try:
        return f"known:{identity(fact.fields)}"
    except Exception:  # noqa: BLE001 - the plan's callback on foreign data: unreadable is data here
        return f"unreadable:{canonical(fact.fields)}"


def _by_identity(facts: Sequence[Fact], identity: Identity) -> dict[str, list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in sorted(facts, key=lambda fact: (fact.number, fact.version, fact.pending)):
        groups.setdefault(identity_of(fact, identity), []).append(fact)
    return groups


def _pair_one(expected: list[Fact], actual: list[Fact], result: Pairing) -> None:
    left = list(actual)
    unanswered: list[Fact] = []
    for fact in expected:
        equal = [other for other in left if canonical(other.fields) == canonical(fact.fields)]
        if equal:
            result.pairs.append(Pair(fact, _take(left, equal, fact)))
        else:
            unanswered.append(fact)
    for fact in unanswered:
        if left:
            other = _take(left, left, fact)
            result.pairs.append(Pair(fact, other, differences(fact.fields, other.fields)))
        else:
            result.missing.append(fact)
    if expected:
        result.repeated.extend(Pair(expected[0], other) for other in left)
    else:
        result.extra.extend(left)


def _take(left: list[Fact], candidates: Sequence[Fact], fact: Fact) -> Fact:
    """The candidate under the same number, else the first; no longer to be had afterwards."""
    chosen = next((other for other in candidates if other.number == fact.number), candidates[0])
    _drop(left, chosen)
    return chosen


def _pair_by_number(result: Pairing) -> None:
    for fact in list(result.missing):
        same = next((other for other in result.extra if other.number == fact.number > 0), None)
        if same is not None:
            _drop(result.missing, fact)
            _drop(result.extra, same)
            result.pairs.append(Pair(fact, same, differences(fact.fields, same.fields)))


def _drop(facts: list[Fact], fact: Fact) -> None:
    """By object: to Python 1, 1.0 and True are equal, so that list.remove could take the wrong one."""
    del facts[next(index for index, other in enumerate(facts) if other is fact)]
