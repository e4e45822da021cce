"""A plan with reads that another application takes over."""

from strangler.plan import Plan, Route, Step, Subject
from strangler.reads.declared import ReadRoute
from tests.support.facade_plan import no_orders

plan = Plan(
    name="reads",
    subject=Subject(
        "order",
        read=no_orders,
        path="/orders/{ref}",
        hand_back_path="/internal/steps/{step}/orders/{ref}",
        caller="header:X-Account",
    ),
    steps=(Step("payment"),),
    routes=(Route("POST /orders", creates="order", caller="header:X_Partner_Key"),),
    reads=(
        ReadRoute("order_page", "GET /pages/{ref}", "PAGES_URL", sticky="subject", ignored=("$.made",)),
        ReadRoute("mine", "GET /mine", "PAGES_URL", sticky="cookie:session", credentials=True, on_failure="refuse"),
    ),
)
