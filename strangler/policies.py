"""The policies that a plan names, loaded when asked for: the plan is the monolith's, they are the new services'."""

from __future__ import annotations

import importlib

from outbox.policy import FlowPolicy
from strangler.errors import BadPlan
from strangler.plan import Context


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
