"""Payment, declared: what it promises under pressure, and how it acts."""

from new_services.order_event import reading
from new_services.payment.decide import conclude, decide
from new_services.payment.effects import apply_writes, charge_key
from outbox import Policy
from outbox.policy import ServiceClass
from strangler import HttpVendor, Service

CHARGES = HttpVendor(
    "VENDORS_URL",
    send="POST /payments/charges",
    look_up="GET /payments/charges/{key}",
    keeps={"charge_id": str},
    ledger="GET /ledger/payments?limit=1000",
    ledger_subject="order_ref",
)
REFUNDS = HttpVendor(  # asked for by the charge's key; no charge_id where the key was voided
    "VENDORS_URL",
    send="POST /payments/refunds",
    look_up="GET /payments/refunds/{key}",
    keeps={"charge_id": str, "amount_minor": int, "refund_status": str},
    key=charge_key,
    ledger="GET /ledger/refunds?limit=1000",
    ledger_subject="order_ref",
)

payment = Service(
    "payment",
    on=("StockReserved", "OrderRejected", "OrderCancelled"),
    shadow_on=("PaymentTaken",),
    topics=("inventory", "payment", "order"),
    decide=reading(decide),
    conclude=conclude,
    awaited=True,
    policy=Policy.lossless(
        deadline_s=120.0,
        guard="claim, then the payment vendor's idempotency key; an unknown outcome is asked again with it",
        ordering_scope="order",
        throttling_unit="payment vendor",
        queue_bound=1_000,
        queue_reason="a customer waits for each: 10 s of charges at 100 a second, then the order is told pending",
        service_class=ServiceClass.CRITICAL,
        queue_bytes=4 * 1024 * 1024,
    ),
    writes=apply_writes,
    vendors={"payments": {"charge": CHARGES, "refund": REFUNDS}},
)
