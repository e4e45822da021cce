"""Notification, declared: what it promises under pressure, and how it acts."""

from new_services.notification.decide import decide
from new_services.order_event import SOLD, reading
from outbox import Policy
from outbox.policy import InMode, Retry, Versions
from strangler import HttpVendor, Service

MAILS = HttpVendor(
    "VENDORS_URL",
    send="POST /mail/messages",
    look_up="GET /mail/messages/{key}",
    ledger="GET /ledger/mail?limit=1000",
    ledger_subject="order_ref",
)

notification = Service(
    "notification",
    on=SOLD,
    decide=reading(decide),
    policy=Policy.lossless(
        deadline_s=3600.0,
        guard="claim, then the mail vendor's idempotency key",
        ordering_scope="order",
        throttling_unit="mail vendor",
        queue_bound=2_000,
        queue_reason="about 20 s of mails at 100 a second, the vendor's usual rate",
        queue_bytes=8 * 1024 * 1024,
        retry=Retry(attempts=3, cap_s=30.0),
        modes=(InMode("peak", calls_per_s=20.0),),  # mails may be late: an hour is promised
        versions=Versions(wait_s=600.0),  # nobody is told of a cancellation before the order
    ),
    vendors={"mail": {"send": MAILS}},
)
