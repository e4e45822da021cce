"""What recommendation promises under pressure."""

from outbox.policy import DuplicateImpact, FlowPolicy, Loss

POLICY = FlowPolicy(
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
)
