"""Where each of the policies runs that a plan names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outbox.policy import Contradiction, Placed, Policy, contradictions_among
from strangler.contexts import Context
from strangler.errors import BadPlan
from strangler.plan import Plan


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
    """Judge all policies together; a context without one is a contradiction, too. Loads the services."""
    contexts = plan.contexts().items()
    placed = [_place(plan, name, context, context.policy) for name, context in contexts if context.policy]
    undeclared = [
        Contradiction("undeclared", (name,), "it declares no policy", "give its service or Context a policy")
        for name, context in contexts
        if not context.policy
    ]
    return Judged(placed, [*undeclared, *contradictions_among(placed)])


def _place(plan: Plan, name: str, context: Context, policy: Policy) -> Placed:
    return Placed(
        name=name,
        policy=policy,
        group=context.group,
        pool=context.pool or context.group,
        reads=context.topics,
        # A step's effects speak in its own name; a projection only listens, though its name may be a topic's.
        writes=(name,) if plan.tells(name) else (),
        partitions=sum(plan.topics.get(topic, 1) for topic in context.topics),
        retention_s=plan.retention_s,
    )
