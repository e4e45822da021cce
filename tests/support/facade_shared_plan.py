"""The facade's smallest plan with an admission of eight slots, of which the first class has none for itself."""

from dataclasses import replace

from strangler import Admission, WorkClass
from tests.support import facade_plan

plan = replace(
    facade_plan.plan, admission=Admission((WorkClass("everything", deadline_s=60),), (), others="everything", slots=8)
)
