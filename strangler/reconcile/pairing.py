"""Pairing: which actual effect answers which expected one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from strangler.facts import KIND, TARGET, Fact
from strangler.reconcile.canonical import Difference, canonical, differences
from strangler.step.intents import Json


@dataclass(frozen=True, slots=True)
class ByPlace:
    """The identity where the plan gives none: the number, so version and place. `rows`: of rows each subject has one,
    replaced by later versions.
    """

    rows: bool = False


Identity = Callable[[Mapping[str, Json]], str] | ByPlace


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

    What is left over on both sides under one number is one effect with a wrong identity, not two findings. What has no
    number, where the number is the identity, answers what is left over for its target; equal to one that has its
    answer, it is a repeat.
    """
    result = Pairing()
    wanted, there = _by_identity(expected, identity), _by_identity(actual, identity)
    for name in [*wanted, *(name for name in there if name not in wanted)]:
        _pair_one(wanted.get(name, []), there.get(name, []), result)
    _pair_by_number(result)
    if isinstance(identity, ByPlace):
        _pair_unnumbered(result)
    return result


def identity_of(fact: Fact, identity: Identity) -> str:
    """The plan's name for the effect. Fields that it cannot read are an effect of their own."""
    if isinstance(identity, ByPlace):
        if identity.rows and fact.fields.get(KIND) in (None, "write"):
            return "row"
        return f"number:{fact.number}" if fact.number else "unnumbered"
    try:
        return f"known:{identity(fact.fields)}"
    except Exception:  # noqa: BLE001 - the plan's callback on foreign data: unreadable is data here
        return f"unreadable:{canonical(fact.fields)}"


def different(expected: Fact, actual: Fact) -> tuple[Difference, ...]:
    """What differs between them. An intent's own words count where both have them: a witness may not know them."""
    return differences(*_comparable(expected, actual))


def _comparable(fact: Fact, other: Fact) -> tuple[Mapping[str, Json], Mapping[str, Json]]:
    unsaid = {mark for mark in (KIND, TARGET) if (mark in fact.fields) != (mark in other.fields)}
    if not unsaid:
        return fact.fields, other.fields
    one, another = (
        {name: value for name, value in each.fields.items() if name not in unsaid} for each in (fact, other)
    )
    return one, another


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
                result.pairs.append(Pair(fact, other, different(fact, other)))
    result.missing.extend(wanted)
    if expected:
        result.repeated.extend(Pair(expected[0], other) for other in left)
    else:
        result.extra.extend(left)


def _equal_under_one_number(fact: Fact, other: Fact) -> bool:
    return _under_one_number(fact, other) and _equal(fact, other)


def _equal(fact: Fact, other: Fact) -> bool:
    one, another = _comparable(fact, other)
    return canonical(one) == canonical(another)


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
            result.pairs.append(Pair(fact, same, different(fact, same)))


def _pair_unnumbered(result: Pairing) -> None:
    for fits in (_equal, _same_target):
        for fact in list(result.missing):
            other = next((other for other in result.extra if not other.number and fits(fact, other)), None)
            if other is not None:
                _drop(result.missing, fact)
                _drop(result.extra, other)
                result.pairs.append(Pair(fact, other, different(fact, other)))
    for other in list(result.extra):
        twin = next((each for each in result.pairs if not other.number and _equal(each.expected, other)), None)
        if twin is not None:
            _drop(result.extra, other)
            result.repeated.append(Pair(twin.expected, other))


def _same_target(fact: Fact, other: Fact) -> bool:
    return fact.fields.get(TARGET) == other.fields.get(TARGET) is not None


def _drop(facts: list[Fact], fact: Fact) -> None:
    """By object: to Python 1, 1.0 and True are equal, so that list.remove could take the wrong one."""
    del facts[next(index for index, other in enumerate(facts) if other is fact)]
