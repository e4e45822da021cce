"""Fraud, declared: what it promises under pressure, and how it acts."""

from new_services.fraud.decide import conclude, decide
from new_services.fraud.effects import apply_writes
from new_services.fraud.policy import policy
from new_services.fraud.review import cancel
from new_services.order_event import reading
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
    policy=policy,
    writes=apply_writes,
    vendors={"fraud": {"score": SCORES}},
    review=Review(cancel, about=("score",), key="order_ref"),
)
