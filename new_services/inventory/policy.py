"""What inventory promises under pressure."""

from outbox.policy import DuplicateImpact, Expired, FlowPolicy, Loss, ServiceClass

POLICY = FlowPolicy(
    flow="inventory",
    loss=Loss.LOSSLESS,
    deadline_s=120.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMFUL,
    duplicate_guard="claim, then one hold per (order, number) at the stock itself",
    ordering_scope="order",
    throttling_unit="SKU",
    degrade_order=None,
    queue_bound=4_000,
    queue_reason="a backlog is tolerated: orders of a hot SKU wait for each other, 20 s of them at 200 a second",
    service_class=ServiceClass.CRITICAL,
    queue_bytes=4 * 1024 * 1024,
    rate_per_s=200.0,
    expired=Expired.RUN,  # its order is pending and wants an answer, late or not
)
