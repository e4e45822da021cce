"""The choreography of an order: declared as a graph, proved as a graph, and proved again from the data."""

from strangler.choreography.audit import ChoreographyAudit, audit
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
from strangler.choreography.proof import BrokenRule, prove
from strangler.choreography.verdict import Standing, SubjectVerdict

__all__ = [
    "BrokenRule",
    "Choreography",
    "ChoreographyAudit",
    "Event",
    "Final",
    "OrderState",
    "Promise",
    "Reaction",
    "Readers",
    "Remark",
    "Seen",
    "Standing",
    "SubjectVerdict",
    "audit",
    "prove",
]
