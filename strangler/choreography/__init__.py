"""The choreography of an order: declared as a graph, proved as a graph, and proved again from the data."""

from strangler.choreography.audit import Audit, audit
from strangler.choreography.graph import (
    Choreography,
    Event,
    Final,
    OrderState,
    Promise,
    Reaction,
    Readers,
    Remark,
    Seen,
)
from strangler.choreography.proof import Problem, prove
from strangler.choreography.verdict import Standing, Verdict

__all__ = [
    "Audit",
    "Choreography",
    "Event",
    "Final",
    "OrderState",
    "Problem",
    "Promise",
    "Reaction",
    "Readers",
    "Remark",
    "Seen",
    "Standing",
    "Verdict",
    "audit",
    "prove",
]
