"""The facade's smallest plan where one class has promised how far the search index may be behind, and slots are found.

The consumer's group and topic are the test's: their names have its prefix.
"""

from dataclasses import replace

from strangler import Admission, Belongs, Context, FoundSlots, LagPromise, WorkClass
from tests.support import facade_plan

plan = replace(
    facade_plan.plan,
    projections={"search": Context("search", "search", ("order",), dsn_env="SEARCH_DSN")},
    admission=Admission(
        classes=(
            WorkClass("checkout", deadline_s=20),
            WorkClass("feeds", deadline_s=20, lag_promises=(LagPromise("search", within_s=2.0),)),
        ),
        belongs=(Belongs("* /feeds/{rest:path}", "feeds"),),
        others="checkout",
        slots=FoundSlots(start=3, most=5),
    ),
)
