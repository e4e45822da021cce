"""The rules of what a policy changes while a mode holds."""

from __future__ import annotations

import math
import re
from collections import Counter

from outbox.policy.flow import Policy
from outbox.policy.rule import Rule


def _twice(policy: Policy) -> bool:
    return any(times > 1 for times in Counter(one.mode for one in policy.modes).values())


def _of_nothing(policy: Policy) -> bool:
    return any(one.sampling is None and one.calls_per_s is None and not one.numbers for one in policy.modes)


def _unknown_number(policy: Policy) -> bool:
    return any(not set(one.numbers) <= set(policy.numbers) for one in policy.modes)


def _bad_calls(policy: Policy) -> bool:
    return any(one.calls_per_s is not None and not 0 < one.calls_per_s < math.inf for one in policy.modes)


def _endless_number(policy: Policy) -> bool:
    named = [policy.numbers, *(one.numbers for one in policy.modes)]
    return any(not math.isfinite(value) for numbers in named for value in numbers.values())


def _unnamed(policy: Policy) -> bool:
    names = [*policy.numbers, *(one.mode for one in policy.modes)]
    return any(re.fullmatch(r"[a-z][a-z0-9_]*", name) is None for name in names)


MODES: tuple[Rule[Policy], ...] = (
    Rule(
        "mode_names",
        _unnamed,
        "a mode or a number of it cannot stand in a clause",
        "name it in lower case letters, digits and _",
    ),
    Rule("mode_twice", _twice, "it says twice what it changes in a mode", "say all of it in one InMode"),
    Rule(
        "mode_changes_nothing",
        _of_nothing,
        "it names a mode and changes nothing in it",
        "give it sampling, calls_per_s or numbers, or leave it out",
    ),
    Rule(
        "mode_number",
        _unknown_number,
        "a mode changes a number that it usually does not have",
        "give its usual value in `numbers`",
    ),
    Rule("mode_calls", _bad_calls, "a mode has calls_per_s that is none", "give a number above 0, or leave it out"),
    Rule("endless_number", _endless_number, "one of its numbers is endless", "give a finite one"),
)
