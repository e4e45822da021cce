"""The policies that a plan names, loaded when asked, and where each one runs."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

from outbox.policy import Contradiction, FlowPolicy, Placed, contradictions_among
from strangler.errors import BadPlan
from strangler.plan import Context, Plan


@dataclass(frozen=True, slots=True)
class Judged:
    """A plan's policies in chain order, and everything that is wrong with them."""

    placed: Sequence[Placed]
    contradictions: Sequence[Contradiction]

    def one(self, name: str) -> Placed:
        """The place of that context, or `BadPlan` that lists those with a policy."""
        for place in self.placed:
            if place.name == name:
                return place
        known = ", ".join(place.name for place in self.placed) or "none"
        raise BadPlan(f"no context {name!r} declares a policy; those that do: {known}")


def judge(plan: Plan) -> Judged:
    """Load all policies and judge them together; a context without one is a contradiction, too.

    Raises `BadPlan` where a reference leads to no policy.
    """
    placed = [_place(plan, name, context) for name, context in plan.contexts().items() if context.policy]
    undeclared = [
        Contradiction("undeclared", (name,), "it declares no policy", 'name it: Context(policy="package.module:NAME")')
        for name, context in plan.contexts().items()
        if not context.policy
    ]
    return Judged(placed, [*undeclared, *contradictions_among(placed)])


def policy_of(context: Context) -> FlowPolicy | None:
    """What the context declares; None where it declares nothing. Raises `BadPlan` for a bad reference."""
    return load_policy(context.policy) if context.policy else None


def load_policy(reference: str) -> FlowPolicy:
    """`package.module:NAME`, imported now; `BadPlan` says what is wrong with it."""
    module, separator, name = reference.partition(":")
    if not (module and separator and name):
        raise BadPlan(f'policy {reference!r} is no reference; write it as "package.module:NAME"')
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise BadPlan(f"policy {reference!r} does not load: {type(error).__name__}: {error}; fix its module") from error
    if not isinstance(found, FlowPolicy):
        raise BadPlan(f"policy {reference!r} is a {type(found).__name__}, not a FlowPolicy; name the value itself")
    return found


def _place(plan: Plan, name: str, context: Context) -> Placed:
    return Placed(
        name=name,
        policy=load_policy(context.policy or ""),
        group=context.group,
        pool=context.pool or context.group,
        reads=context.topics,
        # A step's effects speak in its own name; a projection only listens, though its name may be a topic's.
        writes=(name,) if name in plan.topics and name not in plan.projections else (),
        partitions=sum(plan.topics.get(topic, 1) for topic in context.topics),
        retention_s=plan.retention_s,
    )
