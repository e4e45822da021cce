"""What inventory promises under pressure."""

from outbox.policy import DuplicateImpact, FlowPolicy, Loss

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
    queue_reason="a backlog is tolerated: orders of a hot SKU wait for each other, 40 s of them at 100 a second",
)
