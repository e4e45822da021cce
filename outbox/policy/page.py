"""The reference of policies: every term with its meaning, every rule with its fix. Made from the code itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from outbox.policy.cross_policy_rules import CIRCLE_RULES, PAIR_RULES, PLACE_RULES
from outbox.policy.flow import Policy
from outbox.policy.policy_rules import RULES
from outbox.terms import takes

MEANING: Mapping[str, str] = {
    "flow": "the context's name; it stands in every clause",
    "loss": "what may happen to an event under pressure",
    "deadline_s": "from the event's time; after it the work is late",
    "replayable": "its events may be handled again",
    "duplicate_impact": "what a second execution does to the world; a harmful one makes replays attended",
    "duplicate_guard": "what refuses the second execution",
    "ordering_scope": 'within what order is kept, or "none"',
    "throttling_unit": "what limits its rate",
    "degrade_order": "1 is given up first, null never",
    "queue_bound": "records of a partition in memory; at it the partition is paused",
    "queue_reason": "why so many",
    "queue_bytes": "bytes of a partition in memory; at it the partition is paused",
    "service_class": "who must not wait for whom",
    "rate_per_s": "events that a healthy second works off",
    "floor_per_s": "events a second that each member still takes while what it feeds is under pressure",
    "expired": "the branch of work that is late, before its handler runs",
    "compensation": "the event that takes expired work back",
    "retry.attempts": "in place: first at once where nothing speaks against it, then with full jitter",
    "retry.base_s": "the first delay's upper end; it doubles",
    "retry.cap_s": "the longest delay",
    "retry.budget_ratio": "retries of the whole group, as a share of its deliveries; the unit is failures",
    "retry.budget_floor_per_s": "retries a second that even a quiet group may make",
    "retry.over_budget": "what a failed event does when the budget is spent",
    "quarantine.ratio": "a larger share of parked events stops the partition",
    "quarantine.consecutive": "more parked events in a row stop the partition",
    "sampling.keep": "the share that is handled under pressure",
    "sampling.above_s": "the age of the oldest waiting event from which it is sampled",
    "sampling.by_key": "whole keys are left out, not single events",
    "versions.wait_s": "how long an event waits, parked, for an earlier version that is missing",
    "numbers": "the context's own, by name: what its code asks `numbers_now` for",
    "modes": "while people have declared one: `sampling`, the most `calls_per_s` of each vendor, `numbers`",
    "rebuild": "the command, after `python -m`, that makes the state anew from the source of truth",
}


def rules() -> Sequence[Mapping[str, str]]:
    """Those of one policy, of its place, of two policies, of a circle: `name`, what is `refused`, and the `fix`."""
    return [
        {"name": rule.name, "refused": re.sub(r"\{[^}]*\}", "..", rule.what), "fix": rule.fix}
        for rule in (*RULES, *PLACE_RULES, *PAIR_RULES, *CIRCLE_RULES)
    ]


def page() -> list[str]:
    """Two Markdown tables."""
    shown = [f"| `{name}` | {kind} | {default} | {MEANING[name]} |" for name, kind, default in _terms(Policy, "")]
    refused = [f"| `{rule['name']}` | {rule['refused']} | {rule['fix']} |" for rule in rules()]
    return [
        "| Term | Values | Default | Meaning |",
        "|---|---|---|---|",
        *shown,
        "",
        "| Rule | Refused: | Fix |",
        "|---|---|---|",
        *refused,
    ]


def _terms(kind: Any, prefix: str) -> Iterator[tuple[str, str, str]]:
    hints = get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        several = get_origin(hint) in (tuple, Mapping)
        inner = next((one for one in get_args(hint) if is_dataclass(one) and not several), hint)
        if is_dataclass(inner):
            yield from _terms(inner, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, _values(hint), _default(field)


def _values(hint: Any) -> str:
    options = get_args(hint)
    if get_origin(hint) is Mapping:
        return "numbers by name"
    if options and is_dataclass(options[0]):
        return "list of " + takes(options[0]).removeprefix("an ")
    if NoneType in options:
        return f"{_values(options[0])} or null"
    if options:
        return "list of text"
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return ", ".join(f"`{value}`" for value in hint)
    names: Mapping[type, str] = {str: "text", int: "whole number", float: "number", bool: "true, false"}
    return names[hint]


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "required" if field.default_factory is MISSING else "none"
    match field.default:
        case "" | () | None:
            return "none"
        case value:
            return f"`{str(value).lower() if isinstance(value, bool) else value}`"
