"""Search, declared: what it promises under pressure, and the table that it keeps."""

from new_services.order_event import SOLD, reading
from new_services.search.decide import decide
from outbox import Policy
from outbox.policy import DuplicateImpact, Expired, ServiceClass, Versions
from strangler import Rows, Service

search = Service(
    "search",
    on=SOLD,
    decide=reading(decide),
    policy=Policy.deferrable(
        deadline_s=300.0,
        guard="claim, and a document never goes back to an older version",
        duplicate_impact=DuplicateImpact.HARMLESS,
        ordering_scope="order",
        throttling_unit="tenant",
        queue_bound=2_000,
        queue_reason="a few seconds of documents; above it the log keeps them, at no loss",
        queue_bytes=8 * 1024 * 1024,
        service_class=ServiceClass.BULK,
        rate_per_s=500.0,
        expired=Expired.RUN,  # a late document is still the right one
        versions=Versions(wait_s=60.0),  # a document is made whole by its next version
    ),
    writes=Rows("document", "order_ref", {"version": "bigint", "body": "jsonb"}, touched="indexed_at"),
)
