"""The facade's smallest plan with an admission of two slots."""

from dataclasses import replace

from strangler.admission.declared import Admission, Belongs
from strangler.admission.work_class import WorkClass
from tests.support import facade_plan

plan = replace(
    facade_plan.plan,
    admission=Admission(
        classes=(
            WorkClass("checkout", deadline_s=20),
            WorkClass("browse", deadline_s=20),
            WorkClass("feeds", deadline_s=20, quota_per_s=1.0),
            WorkClass("uploads", deadline_s=1),
        ),
        belongs=(
            Belongs("POST /orders", "checkout"),
            Belongs("* /feeds/{rest:path}", "feeds"),
            Belongs("* /uploads/{rest:path}", "uploads"),
            Belongs("* /{rest:path}", "uploads", caller="header:X-Partner"),
        ),
        others="browse",
        slots=2,
    ),
)
