"""What fraud promises under pressure."""

from outbox.policy import DuplicateImpact, Expired, FlowPolicy, Loss, ServiceClass

POLICY = FlowPolicy(
    flow="fraud",
    loss=Loss.LOSSLESS,
    deadline_s=60.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMFUL,
    duplicate_guard="claim, then the scorer's idempotency key; scores are billed",
    ordering_scope="order",
    throttling_unit="fraud scorer",
    degrade_order=None,
    queue_bound=2_000,
    queue_reason="a customer waits for each: 20 s of scores at 100 a second, then the log keeps them",
    service_class=ServiceClass.CRITICAL,
    queue_bytes=4 * 1024 * 1024,
    rate_per_s=100.0,
    expired=Expired.RUN,  # its order is pending and wants an answer, late or not
)
