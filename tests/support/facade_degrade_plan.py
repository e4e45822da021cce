"""The facade's plan with an admission of two slots, in which who browses and who buys may be given less."""

from dataclasses import replace

from tests.support import facade_admission_plan

admission = facade_admission_plan.plan.admission
assert admission is not None
LESS = {"checkout": ("recommendations",), "browse": ("recommendations", "reviews")}
plan = replace(
    facade_admission_plan.plan,
    admission=replace(
        admission, classes=tuple(replace(one, degrade=LESS.get(one.name, ())) for one in admission.classes)
    ),
)
