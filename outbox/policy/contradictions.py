"""Contradictions of policies: all of them, found at once, each with its fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from outbox.errors import ConfigurationError
from outbox.policy.cross_policy_rules import CIRCLE_RULES, PAIR_RULES, PLACE_RULES, Placed, circles
from outbox.policy.flow import Policy
from outbox.policy.policy_rules import RULES
from outbox.policy.rule import Rule


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A broken rule: `flows` are its one or two flows, or those of a circle."""

    rule: str
    flows: tuple[str, ...]
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{' and '.join(self.flows)}: {self.what}; {self.fix} [{self.rule}]"


def contradictions(policy: Policy) -> Sequence[Contradiction]:
    """What a policy says against itself, also while a mode holds."""
    usual = {rule.name: rule for rule in RULES if rule.broken(policy)}
    found = [_broken(rule, policy) for rule in usual.values()]
    for one in policy.modes:
        meanwhile = policy.during(one.mode)
        broken = (rule for rule in RULES if rule.name not in usual and rule.broken(meanwhile))
        found += [_broken(rule, meanwhile, f"in mode {one.mode} ") for rule in broken]
    return found


def _broken(rule: Rule[Policy], policy: Policy, when: str = "") -> Contradiction:
    return Contradiction(rule.name, (policy.flow,), when + rule.what.format(policy=policy), rule.fix)


def contradictions_among(placed: Sequence[Placed]) -> Sequence[Contradiction]:
    """What policies say against themselves, their places and each other."""
    found = [one for place in placed for one in contradictions(place.policy)]
    found += [
        Contradiction(rule.name, (place.name,), rule.what.format(one=place), rule.fix)
        for place in placed
        for rule in PLACE_RULES
        if rule.broken(place)
    ]
    seen: set[tuple[str, frozenset[int]]] = set()
    for (index, one), (other_index, other) in permutations(enumerate(placed), 2):
        for rule in PAIR_RULES:
            pair = rule.name, frozenset((index, other_index))
            if pair not in seen and rule.broken(one, other):
                seen.add(pair)
                says = rule.what.format(one=one, other=other)
                found.append(Contradiction(rule.name, (one.name, other.name), says, rule.fix))
    for circle in circles(placed):
        names = tuple(one.name for one in circle)
        says = " -> ".join((*names, names[0]))
        found += [
            Contradiction(rule.name, names, rule.what.format(names=says), rule.fix)
            for rule in CIRCLE_RULES
            if rule.broken(circle)
        ]
    return found


def require(policy: Policy) -> Policy:
    """The policy itself, or `ConfigurationError` that lists every contradiction: a start must not go on."""
    found = contradictions(policy)
    if found:
        listed = "\n".join(f"  - {one}" for one in found)
        raise ConfigurationError(f"policy of flow {policy.flow!r} contradicts itself:\n{listed}")
    return policy
