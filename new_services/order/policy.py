"""What the order projection promises under pressure."""

from outbox.policy import DuplicateImpact, Expired, FlowPolicy, Loss

POLICY = FlowPolicy(
    flow="order",
    loss=Loss.DEFERRABLE,
    deadline_s=120.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMLESS,
    duplicate_guard="an order's row knows which events it has seen",
    ordering_scope="order",
    throttling_unit="tenant",
    degrade_order=3,
    queue_bound=4_000,
    queue_reason="8 s of events at 500 a second; above it the log keeps them, and the projection lags",
    queue_bytes=4 * 1024 * 1024,
    rate_per_s=500.0,
    expired=Expired.RUN,  # a late status is still the right one
)
