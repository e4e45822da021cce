"""The contexts of the sample: what each one is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import new_services.fraud.decide as fraud
import new_services.inventory.decide as inventory
import new_services.notification.decide as notification
import new_services.payment.decide as payment
import new_services.recommendation.decide as recommendation
import new_services.search.decide as search
from new_services.fraud.effects import FraudVendor
from new_services.fraud.effects import apply_writes as write_decisions
from new_services.fraud.policy import POLICY as FRAUD_POLICY
from new_services.inventory.effects import apply_writes as write_reservations
from new_services.inventory.policy import POLICY as INVENTORY_POLICY
from new_services.notification.effects import MailVendor
from new_services.notification.policy import POLICY as NOTIFICATION_POLICY
from new_services.order.handler import OrderHandler
from new_services.order.policy import POLICY as ORDER_POLICY
from new_services.order_event import OrderEvent, parse
from new_services.payment.effects import PaymentVendor
from new_services.payment.effects import apply_writes as write_payments
from new_services.payment.policy import POLICY as PAYMENT_POLICY
from new_services.recommendation.effects import apply_writes as write_baskets
from new_services.recommendation.policy import POLICY as RECOMMENDATION_POLICY
from new_services.search.effects import apply_writes as write_documents
from new_services.search.policy import POLICY as SEARCH_POLICY
from outbox.consumer.handler import Answering
from outbox.event import Event
from outbox.fault_points import FaultPoints
from outbox.policy import FlowPolicy
from strangler.ownership import Owner
from strangler.step.apply import ApplyWrites, write_nothing
from strangler.step.conclude import Conclude, tell
from strangler.step.handler import StepHandler
from strangler.step.intents import Intent
from strangler.step.vendor import Vendor

# A rejection has the version of the order that it ends, and its claim and numbers in the second half of it.
OFFSETS = {"OrderRejected": 50}
SOLD = ("OrderPlaced", "OrderCancelled")


@dataclass(frozen=True, slots=True)
class Step:
    """What a context does in the chain: as owner it acts on the types `new`, beside legacy it records on `shadow`.

    A step of the middle acts on what the step before it came to. Beside legacy it waits for legacy's own outcome,
    which holds what legacy read and got.
    """

    decide: Callable[[OrderEvent], Sequence[Intent]]
    apply_writes: ApplyWrites = write_nothing
    new: tuple[str, ...] = SOLD
    shadow: tuple[str, ...] = SOLD
    vendors: Callable[[str], Mapping[str, Vendor]] | None = None
    conclude: Conclude = tell

    def concerns(self, event: Event, owner: Owner) -> bool:
        return event.type in (self.new if owner is Owner.NEW else self.shadow)

    def handler(self, name: str, fault_points: FaultPoints | None = None) -> StepHandler:
        """Of the step of that name."""
        return StepHandler(
            name,
            lambda event: self.decide(parse(event)),
            self.apply_writes,
            concerns=self.concerns,
            offsets=OFFSETS,
            fault_points=fault_points,
        )


@dataclass(frozen=True, slots=True)
class Service:
    """A context: its name is its consumer group, and its step's where it has one. `topics` are aggregate types."""

    name: str
    policy: FlowPolicy
    topics: tuple[str, ...]
    step: Step | None = None
    own_schema: str | None = None

    @property
    def schema(self) -> str:
        return self.own_schema or self.name

    def handler(self, fault_points: FaultPoints | None = None) -> Answering:
        return OrderHandler() if self.step is None else self.step.handler(self.name, fault_points)


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service(
            "fraud",
            FRAUD_POLICY,
            ("intake", "fraud"),
            Step(
                fraud.decide,
                write_decisions,
                new=("OrderReceived",),
                shadow=("FraudCleared", "FraudRefused"),
                vendors=lambda url: {fraud.VENDOR: FraudVendor(url)},
                conclude=fraud.conclude,
            ),
        ),
        Service(
            "inventory",
            INVENTORY_POLICY,
            ("fraud", "inventory", "order"),
            Step(
                inventory.decide,
                write_reservations,
                new=("FraudCleared", "OrderCancelled", "OrderRejected"),
                shadow=("StockReserved", "OrderCancelled"),
            ),
        ),
        Service(
            "payment",
            PAYMENT_POLICY,
            ("inventory", "payment", "order"),
            Step(
                payment.decide,
                write_payments,
                new=("StockReserved", "OrderRejected", "OrderCancelled"),
                shadow=("PaymentTaken",),
                vendors=lambda url: {payment.VENDOR: PaymentVendor(url)},
                conclude=payment.conclude,
            ),
        ),
        Service(
            "notification",
            NOTIFICATION_POLICY,
            ("order",),
            Step(notification.decide, vendors=lambda url: {notification.VENDOR: MailVendor(url)}),
        ),
        Service("search", SEARCH_POLICY, ("order",), Step(search.decide, write_documents)),
        Service("recommendation", RECOMMENDATION_POLICY, ("order",), Step(recommendation.decide, write_baskets)),
        Service("order", ORDER_POLICY, ("intake", "fraud", "inventory", "payment", "order"), own_schema="ordering"),
    )
}
