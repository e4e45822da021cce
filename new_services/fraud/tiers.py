"""How risky an order is, by its score and by what its customer ordered lately, and what is done about it. Pure.

High is refused at once. Medium is cleared at once and put up for review: a person looks at it after the peak, and a
late refusal cancels the order. From which score that is, the policy says; the limits for refusing are legacy's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

REFUSE_FROM = 90  # of 100
MOST_ORDERS, MOST_MINOR = 100, 50_000_000  # of a customer in an hour, as in `fraud.count_order`


class Tier(StrEnum):
    """`high` also where there is no score: an order that cannot be scored is not cleared."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def verdict(self) -> str:
        return "refused" if self is Tier.HIGH else "cleared"


@dataclass(frozen=True, slots=True)
class Velocity:
    """What the customer had ordered in the hour before; None of a guest, and of an order that its score refuses.

    `counted` is False where `fraud.count_order` has said no.
    """

    orders: int | None = None
    minor: int | None = None
    counted: bool = True

    def too_much(self, amount_minor: int) -> bool:
        """With an order of that amount."""
        if self.orders is None or self.minor is None:
            return False
        return not self.counted or self.orders >= MOST_ORDERS or self.minor + amount_minor > MOST_MINOR


def tier_of(score: int | None, velocity: Velocity, amount_minor: int, review_from: float) -> Tier:
    if score is None or score >= REFUSE_FROM or velocity.too_much(amount_minor):
        return Tier.HIGH
    return Tier.MEDIUM if score >= review_from else Tier.LOW


def words(score: int | None, velocity: Velocity, amount_minor: int) -> str | None:
    """Why an order is refused, for the customer; None where it is not."""
    if score is None:
        return "the order could not be checked; call customer service"
    if score >= REFUSE_FROM:
        return f"the order is too risky: score {score} of 100; call customer service"
    if velocity.too_much(amount_minor):
        return f"too much at once: {velocity.orders} orders in an hour; call customer service"
    return None
