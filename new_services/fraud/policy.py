"""What fraud promises under pressure, and what it does otherwise at a peak."""

from outbox import Policy
from outbox.policy import InMode, ServiceClass

REVIEW_FROM = "review_from"  # of 100: the score from which a cleared order is put up for review

policy = Policy.lossless(
    deadline_s=60.0,
    guard="claim, then the scorer's idempotency key; scores are billed",
    flow="fraud",
    ordering_scope="order",
    throttling_unit="fraud scorer",
    queue_bound=2_000,
    queue_reason="a customer waits for each: 20 s of scores at 100 a second, then the log keeps them",
    service_class=ServiceClass.CRITICAL,
    queue_bytes=4 * 1024 * 1024,
    numbers={REVIEW_FROM: 60},
    modes=(InMode("peak", numbers={REVIEW_FROM: 75}),),  # who reviews has no time: only what is nearly refused
)
