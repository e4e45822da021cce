"""How risky a score is, and what is done about it. Pure.

High is refused at once. Medium is cleared at once and put up for review: a person looks at it after the peak, and a
late refusal cancels the order. The limit for refusing is legacy's.
"""

from __future__ import annotations

from enum import StrEnum

REVIEW_FROM, REFUSE_FROM = 60, 90  # of 100


class Tier(StrEnum):
    """`high` also where there is no score: an order that cannot be scored is not cleared."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def verdict(self) -> str:
        return "refused" if self is Tier.HIGH else "cleared"


def tier_of(score: int | None) -> Tier:
    if score is None or score >= REFUSE_FROM:
        return Tier.HIGH
    return Tier.MEDIUM if score >= REVIEW_FROM else Tier.LOW


def words(score: int | None) -> str | None:
    """Why an order is refused, for the customer; None where it is not."""
    if score is None:
        return "the order could not be checked; call customer service"
    if tier_of(score) is Tier.HIGH:
        return f"the order is too risky: score {score} of 100; call customer service"
    return None
