"""Who of the sample's clients is let in while there is not room for all, what its nightly batch may cost, its peak."""

from __future__ import annotations

from strangler import Admission, Belongs, Bulk, Mode, WorkClass

admission = Admission(
    classes=(
        WorkClass("continue", deadline_s=5.0),
        WorkClass("checkout", deadline_s=10.0),
        WorkClass("browse", deadline_s=5.0, floor=0.02),
    ),
    belongs=(
        Belongs("GET /strangler/status/{ref}", "continue"),
        Belongs("POST /orders/{ref}/cancellations", "continue"),
        Belongs("POST /orders", "checkout"),
    ),
    others="browse",
    slots=8,
    bulk=Bulk(longest_wait_s=4 * 3_600.0, longest_s=1_800.0),
)

modes = (
    Mode(
        "peak",
        longest_s=4 * 3_600.0,
        declared_by=("operations",),
        classes=(WorkClass("browse", deadline_s=2.0, floor=0.01, quota_per_s=5.0),),
        holds_bulk=True,
    ),
)
