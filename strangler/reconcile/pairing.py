"""Pairing: which actual effect answers which expected one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from strangler.facts import Fact
from strangler.reconcile.canonical import Difference, canonical, differences
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
    """Pair the facts of one subject, n with n of each identity, equal ones first.

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
    """The best matches of all go first, or one fact would take the answer that is another's own."""
    wanted, left = list(expected), list(actual)
    for fits in (_equal_under_one_number, _equal, _under_one_number, _any):
        for fact in list(wanted):
            other = next((other for other in left if fits(fact, other)), None)
            if other is not None:
                _drop(wanted, fact)
                _drop(left, other)
                result.pairs.append(Pair(fact, other, differences(fact.fields, other.fields)))
    result.missing.extend(wanted)
    if expected:
        result.repeated.extend(Pair(expected[0], other) for other in left)
    else:
        result.extra.extend(left)


def _equal_under_one_number(fact: Fact, other: Fact) -> bool:
    return _under_one_number(fact, other) and _equal(fact, other)


def _equal(fact: Fact, other: Fact) -> bool:
    return canonical(fact.fields) == canonical(other.fields)


def _under_one_number(fact: Fact, other: Fact) -> bool:
    return fact.number == other.number


def _any(_fact: Fact, _other: Fact) -> bool:
    return True


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
