"""A plan whose subject is looked up at the toolkit's own routes in the application."""

from strangler.plan import Plan, Route, Step, Subject
from tests.support.facade_plan import no_orders

plan = Plan(
    name="internal",
    subject=Subject("order", read=no_orders, caller="header:Authorization"),
    steps=(Step("payment"),),
    routes=(Route("POST /orders", creates="order"),),
)
