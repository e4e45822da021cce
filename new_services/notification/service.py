"""Notification, declared: what it promises under pressure, and how it acts."""

from new_services.notification.decide import decide
from new_services.order_event import SOLD, reading
from outbox import Policy
from strangler import DuplicateImpact, HttpVendor, Loss, Retry, Service, ServiceClass, Versions

POLICY = Policy(
    flow="notification",
    loss=Loss.LOSSLESS,
    deadline_s=3600.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMFUL,
    duplicate_guard="claim, then the mail vendor's idempotency key",
    ordering_scope="order",
    throttling_unit="mail vendor",
    degrade_order=None,
    queue_bound=2_000,
    queue_reason="about 20 s of mails at 100 a second, the vendor's usual rate",
    queue_bytes=8 * 1024 * 1024,
    service_class=ServiceClass.STANDARD,
    rate_per_s=100.0,
    retry=Retry(attempts=3, cap_s=30.0),
    versions=Versions(wait_s=600.0),  # nobody is told of a cancellation before the order
)

MAILS = HttpVendor("VENDORS_URL", send="POST /mail/messages", look_up="GET /mail/messages/{key}")

notification = Service(
    "notification",
    on=SOLD,
    decide=reading(decide),
    policy=POLICY,
    vendors={"mail": {"send": MAILS}},
)
