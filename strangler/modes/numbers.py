"""A context's own numbers, as they are while a mode holds."""

from __future__ import annotations

from collections.abc import Mapping

from outbox.connection import PsycopgConnection
from outbox.policy import Policy
from strangler.modes.table import read_held


def numbers_now(connection: PsycopgConnection, policy: Policy) -> Mapping[str, float]:
    """The policy's numbers by name, by the mode that holds now; one read where any mode changes one.

    For what a service does in its transaction, `writes` say: `decide` stays a function of its event.
    """
    if not any(one.numbers for one in policy.modes):
        return policy.numbers
    held = read_held(connection)
    return policy.numbers if held is None else policy.during(held.mode).numbers
