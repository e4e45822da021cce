"""Inventory, declared: what it promises under pressure, and how it acts."""

from new_services.inventory.decide import decide
from new_services.inventory.effects import apply_writes
from new_services.order_event import reading
from outbox import Policy
from outbox.policy import ServiceClass
from strangler import Service

inventory = Service(
    "inventory",
    on=("FraudCleared", "OrderCancelled", "OrderRejected"),
    shadow_on=("StockReserved", "OrderCancelled"),
    topics=("fraud", "inventory", "order"),
    decide=reading(decide),
    awaited=True,
    policy=Policy.lossless(
        deadline_s=120.0,
        guard="claim, then one hold per (order, number) at the stock itself",
        ordering_scope="order",
        throttling_unit="SKU",
        queue_bound=4_000,
        queue_reason="a backlog is tolerated: orders of a hot SKU wait for each other, 20 s of them at 200 a second",
        service_class=ServiceClass.CRITICAL,
        queue_bytes=4 * 1024 * 1024,
        rate_per_s=200.0,
    ),
    writes=apply_writes,
)
