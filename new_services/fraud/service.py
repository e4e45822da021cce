"""Fraud, declared: what it promises under pressure, and how it acts."""

from new_services.fraud.decide import conclude, decide
from new_services.fraud.effects import apply_writes
from new_services.fraud.review import cancel
from new_services.order_event import reading
from outbox import Policy
from outbox.policy import ServiceClass
from strangler import HttpVendor, Service
from strangler.service import Review

SCORES = HttpVendor(
    "VENDORS_URL",
    send="POST /fraud/scores",
    look_up="GET /fraud/scores/{key}",
    keeps={"score": int},
    ledger="GET /ledger/fraud?limit=1000",
    ledger_subject="order_ref",
)

fraud = Service(
    "fraud",
    on=("OrderReceived",),
    shadow_on=("FraudCleared", "FraudRefused"),
    topics=("order", "fraud"),
    decide=reading(decide),
    conclude=conclude,
    awaited=True,
    policy=Policy.lossless(
        deadline_s=60.0,
        guard="claim, then the scorer's idempotency key; scores are billed",
        ordering_scope="order",
        throttling_unit="fraud scorer",
        queue_bound=2_000,
        queue_reason="a customer waits for each: 20 s of scores at 100 a second, then the log keeps them",
        service_class=ServiceClass.CRITICAL,
        queue_bytes=4 * 1024 * 1024,
    ),
    writes=apply_writes,
    vendors={"fraud": {"score": SCORES}},
    review=Review(cancel, about=("score",), key="order_ref"),
)
