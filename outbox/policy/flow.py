"""A flow's policy: what a context says about its work before anything is overloaded. Plain data, judged by rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self, TypedDict, Unpack

from outbox.errors import ConfigurationError
from outbox.policy.values import (
    DuplicateImpact,
    Expired,
    InMode,
    Loss,
    OverBudget,
    Quarantine,
    Retry,
    Sampling,
    ServiceClass,
    Versions,
)
from outbox.terms import check_terms

Term = str | int | float | bool | None


class Terms(TypedDict, total=False):
    """What may be said beside the kinds of policy; `Policy` has the meanings."""

    flow: str
    replayable: bool
    duplicate_impact: DuplicateImpact
    ordering_scope: str
    throttling_unit: str
    degrade_order: int | None
    queue_bound: int
    queue_reason: str
    queue_bytes: int
    service_class: ServiceClass
    rate_per_s: float
    floor_per_s: float
    expired: Expired
    compensation: str
    retry: Retry
    quarantine: Quarantine
    sampling: Sampling | None
    versions: Versions | None
    rebuild: tuple[str, ...]
    numbers: Mapping[str, float]
    modes: tuple[InMode, ...]


RATE_PER_S = 100.0
OWN_GROUP = "the group"  # each flow's own: nobody else is limited by it
QUEUE_RECORDS = 2_000


def _chosen(loss: Loss, deadline_s: float, guard: str, degrade_order: int | None, more: Terms) -> Any:
    """All arguments of a policy: those given, and defaults for the others."""
    in_time = more.get("rate_per_s", RATE_PER_S), deadline_s
    known = all(isinstance(one, int | float) and 0 <= one < 1e9 for one in in_time)  # else the policy refuses them
    return {
        "flow": "events",
        "replayable": True,
        "duplicate_impact": DuplicateImpact.HARMFUL if guard else DuplicateImpact.HARMLESS,
        "ordering_scope": "key",
        "throttling_unit": OWN_GROUP,
        "degrade_order": degrade_order,
        "queue_bound": max(1, min(QUEUE_RECORDS, int(in_time[0] * in_time[1]))) if known else QUEUE_RECORDS,
        "queue_reason": "the end of a full queue is still in time",
        **more,
        "loss": loss,
        "deadline_s": deadline_s,
        "duplicate_guard": guard,
    }


@dataclass(frozen=True, slots=True)
class Policy:
    """What one flow promises, and gives up, under pressure.

    `ConfigurationError` for a term that is not of its type. Any value of its type can be written down: `require`
    refuses bad ones, all at once.

    `deadline_s`: from the event's time; after it the work is late and takes the branch `expired`.
    `degrade_order`: 1 is given up first, None never. `duplicate_guard`: what makes a second execution harmless.
    `ordering_scope`: within what order is kept, or "none". `throttling_unit`: what the rate is limited by.
    `queue_bound` (records) and `queue_bytes` hold for each partition in memory, for the `queue_reason`.
    `rate_per_s`: events worked off in a healthy second. `floor_per_s`: those that each member still takes a second
    while a context that it feeds, and gives way to, is under pressure.
    `compensation`: the event that takes an expired one back.
    `versions`: the flow handles every version of an aggregate, and waits for one that is missing.
    `numbers`: the context's own, by name: what its code asks `strangler.service.numbers_now` for.
    `modes`: what is otherwise while people have declared one.
    `rebuild`: the command, after `python -m`, that makes the flow's state anew from the source of truth.
    """

    flow: str
    loss: Loss
    deadline_s: float
    replayable: bool
    duplicate_impact: DuplicateImpact
    duplicate_guard: str
    ordering_scope: str
    throttling_unit: str
    degrade_order: int | None
    queue_bound: int
    queue_reason: str
    queue_bytes: int = 16 * 1024 * 1024
    service_class: ServiceClass = ServiceClass.STANDARD
    rate_per_s: float = 100.0
    expired: Expired = Expired.RUN
    compensation: str = ""
    retry: Retry = field(default_factory=Retry)
    quarantine: Quarantine = field(default_factory=Quarantine)
    sampling: Sampling | None = None
    versions: Versions | None = None
    rebuild: tuple[str, ...] = ()
    floor_per_s: float = 1.0
    numbers: Mapping[str, float] = field(default_factory=dict, hash=False)
    modes: tuple[InMode, ...] = ()

    def __post_init__(self) -> None:
        check_terms(self)

    @classmethod
    def lossless(cls, deadline_s: float, guard: str, **more: Unpack[Terms]) -> Self:
        """Every event is handled, however late; `guard` names what makes a second execution harmless.

        >>> Policy.lossless(3600, "the position").terms()["degrade_order"] is None
        True
        """
        return cls(**_chosen(Loss.LOSSLESS, deadline_s, guard, None, more))

    @classmethod
    def deferrable(cls, deadline_s: float, guard: str, **more: Unpack[Terms]) -> Self:
        """Nothing is lost; what is late waits behind what is in time.

        >>> Policy.deferrable(60, "the row's key").clause("expired")
        'policy:events.expired=defer'
        """
        return cls(**_chosen(Loss.DEFERRABLE, deadline_s, guard, 2, {"expired": Expired.DEFER, **more}))

    @classmethod
    def lossy(cls, deadline_s: float, shed: Sampling | None = None, **more: Unpack[Terms]) -> Self:
        """What is late is dropped; with `shed`, before that only a share is handled while events wait for long.

        >>> Policy.lossy(60, Sampling(keep=0.1, above_s=10)).shedding()
        ('policy:events.sampling.keep=0.1', 'policy:events.expired=drop')
        """
        chosen: Terms = {"expired": Expired.DROP, "sampling": shed, **more}
        return cls(**_chosen(Loss.LOSSY, deadline_s, "", 1, chosen))

    @classmethod
    def rejectable(cls, deadline_s: float, guard: str, **more: Unpack[Terms]) -> Self:
        """New work may be refused at its entry; what was taken in is handled."""
        return cls(**_chosen(Loss.REJECTABLE, deadline_s, guard, 3, more))

    @property
    def critical(self) -> bool:
        return self.service_class is ServiceClass.CRITICAL

    @property
    def replay(self) -> str:
        """The safety label of a replay: `unattended`, `attended` where duplicates harm, or `never`."""
        if not self.replayable:
            return "never"
        return "attended" if self.duplicate_impact is DuplicateImpact.HARMFUL else "unattended"

    def gives_way_to(self, fed: Policy) -> bool:
        """Whether its events may wait for those of a flow that it feeds: for one of a lower class they never do."""
        ranks = list(ServiceClass)
        return ranks.index(fed.service_class) <= ranks.index(self.service_class)

    def terms(self) -> Mapping[str, Term]:
        """Every field by its dotted name: `retry.attempts`, `modes.peak.sampling.keep`; `rebuild` as one line.

        `numbers` and `modes` are the names of those that there are.
        """
        values = asdict(self)
        numbers, modes = values.pop("numbers"), values.pop("modes")
        found: dict[str, Term] = dict(_flat(values, ""))
        found |= {"numbers": " ".join(numbers), **dict(_flat(numbers, "numbers."))}
        found["modes"] = " ".join(one["mode"] for one in modes)
        for one in modes:
            said = {name: value for name, value in one.items() if name != "mode" and value is not None}
            found |= dict(_flat(said, f"modes.{one['mode']}."))
        return found

    def during(self, mode: str) -> Self:
        """The policy while that mode holds: itself, where it says nothing of it.

        >>> kept = InMode("peak", numbers={"review_from": 75})
        >>> policy = Policy.lossless(60, "the claim", numbers={"review_from": 60}, modes=(kept,))
        >>> policy.during("peak").numbers, policy.during("").numbers
        ({'review_from': 75}, {'review_from': 60})
        """
        said = next((one for one in self.modes if one.mode == mode), None)
        if said is None:
            return self
        return replace(self, sampling=said.sampling or self.sampling, numbers={**self.numbers, **said.numbers})

    def clause(self, name: str) -> str:
        """What a decision cites: the flow, the term and what it says. Every shed, deferral, retry, parking has one.

        `policy.clause("expired")` of a search that defers is `policy:search.expired=defer`.
        """
        terms = self.terms()
        if name not in terms:
            raise ConfigurationError(f"policy of flow {self.flow!r} has no clause {name!r}; it has {', '.join(terms)}")
        value = terms[name]
        return f"policy:{self.flow}.{name}={value if isinstance(value, str) else json.dumps(value)}"

    def shedding(self) -> tuple[str, ...]:
        """The clauses by which the flow loses events; empty where it never does."""
        clauses = {
            "sampling.keep": self.sampling is not None,
            "expired": self.expired is Expired.DROP,
            "retry.over_budget": self.retry.over_budget is OverBudget.DROP,
        }
        clauses |= {f"modes.{one.mode}.sampling.keep": one.sampling is not None for one in self.modes}
        return tuple(self.clause(name) for name, loses in clauses.items() if loses and self.loss is Loss.LOSSY)

    def describe(self) -> str:
        """One line per term, for a person."""
        return "\n".join(f"{name}: {value}" for name, value in self.terms().items())


def _flat(values: Mapping[str, object], prefix: str) -> Iterator[tuple[str, Term]]:
    for name, value in values.items():
        match value:
            case dict():
                yield from _flat(value, f"{prefix}{name}.")
            case tuple():
                yield f"{prefix}{name}", " ".join(str(part) for part in value)
            case StrEnum():
                yield f"{prefix}{name}", value.value
            case str() | int() | float() | None:
                yield f"{prefix}{name}", value
            case _:
                raise TypeError(f"{prefix}{name} is a {type(value).__name__}, which no clause can cite")
