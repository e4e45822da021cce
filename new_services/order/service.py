"""The order projection, declared: what it promises under pressure, and what it reads."""

from new_services.order.handler import OrderHandler
from outbox import Policy
from outbox.policy import DuplicateImpact, Expired
from strangler import Service

order = Service(
    "order",
    on=(),
    decide=None,
    project=OrderHandler(),
    topics=("fraud", "inventory", "payment", "order"),
    schema="ordering",
    policy=Policy.deferrable(
        deadline_s=120.0,
        guard="an order's row knows which events it has seen",
        duplicate_impact=DuplicateImpact.HARMLESS,
        ordering_scope="order",
        throttling_unit="tenant",
        degrade_order=3,
        queue_bound=4_000,
        queue_reason="8 s of events at 500 a second; above it the log keeps them, and the projection lags",
        queue_bytes=4 * 1024 * 1024,
        rate_per_s=500.0,
        expired=Expired.RUN,  # a late status is still the right one
    ),
)
