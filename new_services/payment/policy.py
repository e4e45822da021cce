"""What payment promises under pressure."""

from outbox.policy import DuplicateImpact, Expired, FlowPolicy, Loss, ServiceClass

POLICY = FlowPolicy(
    flow="payment",
    loss=Loss.LOSSLESS,
    deadline_s=120.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMFUL,
    duplicate_guard="claim, then the payment vendor's idempotency key; an unknown outcome is asked again with it",
    ordering_scope="order",
    throttling_unit="payment vendor",
    degrade_order=None,
    queue_bound=1_000,
    queue_reason="a customer waits for each: 10 s of charges at 100 a second, then the order is told pending",
    service_class=ServiceClass.CRITICAL,
    queue_bytes=4 * 1024 * 1024,
    rate_per_s=100.0,
    expired=Expired.RUN,  # its order holds stock: it is charged or refused, late or not
)
