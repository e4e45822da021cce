"""Flow policies: values that a context declares, rules that refuse contradictions, clauses that decisions cite."""

from outbox.policy.contradictions import Contradiction, contradictions, contradictions_among, require
from outbox.policy.cross_policy_rules import Placed
from outbox.policy.failure_rules import require_runnable
from outbox.policy.flow import Policy
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

__all__ = [
    "Contradiction",
    "DuplicateImpact",
    "Expired",
    "InMode",
    "Loss",
    "OverBudget",
    "Placed",
    "Policy",
    "Quarantine",
    "Retry",
    "Sampling",
    "ServiceClass",
    "Versions",
    "contradictions",
    "contradictions_among",
    "require",
    "require_runnable",
]
