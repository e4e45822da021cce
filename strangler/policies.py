"""The policies of a plan's contexts, loaded when asked for."""

from __future__ import annotations

from outbox.policy import Policy
from strangler.contexts import Context, imported
from strangler.errors import BadPlan


def policy_of(context: Context) -> Policy | None:
    """What the context declares; None where it declares nothing. Raises `BadPlan` for a bad reference."""
    return load_policy(context.policy) if isinstance(context.policy, str) else context.policy


def load_policy(reference: str) -> Policy:
    """`package.module:NAME`, imported now; `BadPlan` says what is wrong with it."""
    found = imported(reference, "policy")
    if not isinstance(found, Policy):
        raise BadPlan(f"policy {reference!r} is a {type(found).__name__}, not a Policy; name the value itself")
    return found
