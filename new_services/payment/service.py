"""Payment, declared: what it promises under pressure, and how it acts."""

from new_services.order_event import LATER, reading
from new_services.payment.decide import conclude, decide
from new_services.payment.effects import apply_writes, charge_key
from outbox import Policy
from strangler import DuplicateImpact, Expired, HttpVendor, Loss, Service, ServiceClass

POLICY = Policy(
    flow="payment",
    loss=Loss.LOSSLESS,
    deadline_s=120.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMFUL,
    duplicate_guard="claim, then the payment vendor's idempotency key; an unknown outcome is asked again with it",
    ordering_scope="order",
    throttling_unit="payment vendor",
    degrade_order=None,
    queue_bound=1_000,
    queue_reason="a customer waits for each: 10 s of charges at 100 a second, then the order is told pending",
    service_class=ServiceClass.CRITICAL,
    queue_bytes=4 * 1024 * 1024,
    rate_per_s=100.0,
    expired=Expired.RUN,  # its order holds stock: it is charged or refused, late or not
)

CHARGES = HttpVendor(
    "VENDORS_URL", send="POST /payments/charges", look_up="GET /payments/charges/{key}", keeps={"charge_id": str}
)
REFUNDS = HttpVendor(  # asked for by the charge's key; no charge_id where the key was voided
    "VENDORS_URL",
    send="POST /payments/refunds",
    look_up="GET /payments/refunds/{key}",
    keeps={"charge_id": str, "amount_minor": int, "refund_status": str},
    key=charge_key,
)

payment = Service(
    "payment",
    on=("StockReserved", "OrderRejected", "OrderCancelled"),
    shadow_on=("PaymentTaken",),
    topics=("inventory", "payment", "order"),
    decide=reading(decide),
    conclude=conclude,
    awaited=True,
    later=LATER,
    policy=POLICY,
    writes=apply_writes,
    vendors={"payments": {"charge": CHARGES, "refund": REFUNDS}},
)
