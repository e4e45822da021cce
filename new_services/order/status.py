"""Where an order stands, from the events seen of it in any order: topics overtake each other. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from new_services.fraud.service import fraud
from new_services.inventory.decide import BEFORE_US
from new_services.inventory.service import inventory
from new_services.order_event import OrderCancelled, OrderEvent, OrderPlaced, OrderRejected
from new_services.payment.decide import UP_TO_US
from new_services.payment.service import payment
from strangler import Owner, Ownership

# By the furthest event that was seen: the state, and who has to act next.
PATH = (
    ("FraudRefused", "refused", "order"),
    ("StockRefused", "refused", "order"),
    ("PaymentRefused", "refused", "order"),
    ("PaymentTaken", "paid", "order"),
    ("StockReserved", "reserved", "payment"),
    ("FraudCleared", "cleared", "inventory"),
)
COMPENSATION = {"inventory": "StockReleased", "payment": "PaymentRefunded"}
NOTHING_TO_TAKE_BACK = {"inventory": BEFORE_US, "payment": UP_TO_US}  # when one of these has refused
ACCEPTANCE_S = 60.0
WITHIN_S: Mapping[str, float] = {
    "fraud": fraud.policy.deadline_s,
    "inventory": inventory.policy.deadline_s,
    "payment": payment.policy.deadline_s,
    "order": ACCEPTANCE_S,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """`version` and `sold` are of the newest accepted state; `owed`: steps that must take back what they did."""

    seen: frozenset[str] = frozenset()
    version: int = 0
    sold: str | None = None
    owed: frozenset[str] = frozenset()

    @property
    def state(self) -> str:
        if "OrderRejected" in self.seen:
            return "rejected"
        return self.sold or next((state for type_, state, _ in PATH if type_ in self.seen), "received")

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The steps that have to act next, `order` for acceptance or rejection; empty at the end."""
        if "OrderRejected" in self.seen:
            return tuple(sorted(step for step in self.owed if COMPENSATION[step] not in self.seen))
        if self.sold is not None:
            return ()
        return (next((step for type_, _, step in PATH if type_ in self.seen), "fraud"),)

    @property
    def stands(self) -> tuple[str, tuple[str, ...]]:
        """The state, and what it waits for."""
        return self.state, self.waits_for

    @property
    def within_s(self) -> float | None:
        """How long an order may stay in this state; None for ever."""
        return max((WITHIN_S[step] for step in self.waits_for), default=None)


def knows(progress: Progress, type_: str, event: OrderEvent) -> bool:
    """Whether the event was seen before; of cancellations there are many, told apart by version."""
    if isinstance(event, OrderCancelled):
        return progress.version >= event.order.version
    return type_ in progress.seen


def after(progress: Progress, type_: str, event: OrderEvent, ownership: Ownership) -> Progress:
    """The order's progress with one more event."""
    progress = replace(progress, seen=progress.seen | {type_})
    match event:
        case OrderPlaced(order) | OrderCancelled(order) if order.version > progress.version:
            return replace(progress, version=order.version, sold=order.status)
        case OrderRejected(_, by):
            owed = {step for step, spared in NOTHING_TO_TAKE_BACK.items() if by not in spared}
            return replace(progress, owed=frozenset(step for step in owed if ownership.of(step) is Owner.NEW))
        case _:
            return progress
