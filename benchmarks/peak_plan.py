"""The sample's plan with an admission in which partners' orders give way to the shop's, and both to who asks how far
an order is.
"""

from __future__ import annotations

from dataclasses import replace

from legacy_app.plan.plan import plan as sample
from strangler import Admission, Belongs, WorkClass

SLOTS = 32  # the application's workers
PARTNER = "X-Partner"

plan = replace(
    sample,
    admission=Admission(
        classes=(
            WorkClass("continue", deadline_s=1.0),
            WorkClass("checkout", deadline_s=3.0),
            WorkClass("partners", deadline_s=3.0, floor=0.02),
        ),
        belongs=(
            Belongs("GET /orders/{ref}", "continue"),
            Belongs("POST /orders", "partners", caller=f"header:{PARTNER}"),
            Belongs("POST /orders", "checkout"),
        ),
        others="partners",
        slots=SLOTS,
    ),
    modes=(),  # the sample's change classes of its own admission
)
