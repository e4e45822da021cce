"""The facade's plan with an admission, and a peak in which who browses has a quota."""

from dataclasses import replace

from strangler import Mode, WorkClass
from tests.support import facade_admission_plan

plan = replace(
    facade_admission_plan.plan,
    modes=(Mode("peak", longest_s=600, classes=(WorkClass("browse", deadline_s=20, quota_per_s=0.01),)),),
)
