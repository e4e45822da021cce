"""Recommendation, declared: what it promises under pressure, and what it keeps."""

from new_services.order_event import SOLD, reading
from new_services.recommendation.decide import decide
from new_services.recommendation.effects import apply_writes
from outbox import Policy
from outbox.policy import DuplicateImpact, Expired, InMode, Loss, OverBudget, Retry, Sampling, ServiceClass
from strangler import Service

recommendation = Service(
    "recommendation",
    on=SOLD,
    decide=reading(decide),
    policy=Policy(
        flow="recommendation",
        loss=Loss.LOSSY,
        deadline_s=86_400.0,
        replayable=True,
        duplicate_impact=DuplicateImpact.HARMFUL,
        duplicate_guard="claim; counters change by the difference to the order's stored basket",
        ordering_scope="order",
        throttling_unit="tenant",
        degrade_order=1,
        queue_bound=1_000,
        queue_reason="the first to be given up: a short queue shows it early",
        queue_bytes=4 * 1024 * 1024,
        service_class=ServiceClass.BULK,
        rate_per_s=500.0,
        expired=Expired.DROP,
        retry=Retry(over_budget=OverBudget.DROP),
        sampling=Sampling(keep=0.25, above_s=600.0),
        modes=(InMode("peak", sampling=Sampling(keep=0.1, above_s=60.0)),),
    ),
    writes=apply_writes,
    tables=("basket", "affinity"),
)
