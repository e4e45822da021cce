"""One seed of a continuation's fault run: who owns what, when the outcome comes, who is stopped where. Pure."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.orders import MIDDLE

WAIT_S = 0.12
TAIL = ("notification", "search", "recommendation")
MIXES = [mix for count in (1, 2, 3) for mix in itertools.combinations(MIDDLE, count)]
# Where who is stopped, with the timing at which that point is surely met; `:2` is where the rest comes to it.
POINTS = (
    ("request", "seam.told", "any"),
    ("request", "seam.told:2", "before"),
    ("request", "seam.called", "before"),
    ("request", "seam.committed", "any"),
    ("request", "continuation.pending_committed", "any"),
    ("request", "continuation.woken", "before"),
    ("request", "continuation.claimed", "before"),
    ("request", "continuation.rest_run", "before"),
    ("request", "continuation.committed", "before"),
    ("resumer", "resume.outcome_stored", "any"),
    ("resumer", "consumer.committed", "any"),
    ("resumer", "continuation.claimed", "after"),
    ("resumer", "seam.told", "after"),
    ("resumer", "seam.begun", "after"),
    ("resumer", "seam.called", "after"),
    ("resumer", "seam.recorded", "after"),
    ("resumer", "continuation.rest_run", "after"),
    ("resumer", "continuation.committed", "after"),
)
CALLS = ("seam.begun", "seam.called", "seam.recorded")  # met where a step is legacy's
TIMINGS = ("before", "at", "after")
STATUS: Mapping[str, int] = {"fraud": 422, "inventory": 409, "payment": 402}


@dataclass(frozen=True, slots=True)
class Case:
    """`refused_by`: a step of the new side that refuses, or `inventory` of legacy, which is sold out. `fate`: what
    becomes of the process that was stopped at `point`.
    """

    seed: int
    order_ref: str
    new: tuple[str, ...]
    tail: tuple[str, ...]
    refused_by: str | None
    timing: str
    delay_s: float
    victim: str
    point: str
    fate: str
    retried: bool

    @property
    def ownership(self) -> str:
        return ", ".join(["epoch=1", *(f"{step}=new" for step in (*self.new, *self.tail))])

    @property
    def sold_out(self) -> bool:
        return self.refused_by == "inventory" and "inventory" not in self.new

    @property
    def status(self) -> int:
        """What placing the order is answered in the end."""
        return STATUS[self.refused_by] if self.refused_by else 201

    def skus(self) -> tuple[str, str]:
        """The order's own, so that what it moves can be counted."""
        return f"{self.order_ref}-a", f"{self.order_ref}-b"

    def body(self) -> dict[str, object]:
        pieces = (2_000_000 if self.sold_out else 2, 1)
        lines = [
            {"sku": sku, "description": f"The {sku}", "quantity": count, "unit_price_minor": 100}
            for sku, count in zip(self.skus(), pieces, strict=True)
        ]
        fixed = {"channel": "web", "merchant_id": None, "customer_id": f"customer-{self.seed}", "country": "France"}
        return {**fixed, "client_ref": self.order_ref, "placed_at": "2011-06-01T08:26:00", "lines": lines}


def case_of(seed: int) -> Case:
    """The same for the same seed. Points take turns, so that a run of as many seeds has tried them all."""
    rng = random.Random(seed)
    victim, point, surely = POINTS[seed % len(POINTS)]
    timing = rng.choice(TIMINGS) if surely == "any" or rng.random() < 0.2 else surely
    delay_s = {"before": 0.0, "at": WAIT_S + rng.uniform(-0.03, 0.05), "after": WAIT_S + 0.3}[timing]
    new = rng.choice(MIXES)
    calls = point in CALLS
    # Legacy can be sold out only behind a pause: before one, nothing is stored at all.
    may_refuse = [step for step in MIDDLE if step in new or (step == "inventory" and "fraud" in new)]
    return Case(
        seed=seed,
        order_ref=f"seed-{seed}",
        new=new,
        tail=() if calls else rng.choice(((), TAIL)),
        refused_by=rng.choice(may_refuse) if rng.random() < 0.3 and not calls else None,
        timing=timing,
        delay_s=delay_s,
        victim=victim,
        point=point,
        fate=rng.choice(("killed", "woken later")),
        # Who is killed before the first commit leaves nothing: then the client has to come again.
        retried=rng.random() < 0.5 or (victim == "request" and point.startswith("seam.")),
    )
