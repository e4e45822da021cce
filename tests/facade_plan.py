"""The smallest plan that the facade can serve."""

from collections.abc import Iterable

from outbox.connection import PsycopgConnection
from strangler.facts import OrderFacts
from strangler.plan import Plan, Route, Step


def no_orders(_connection: PsycopgConnection) -> Iterable[OrderFacts]:
    return ()


plan = Plan(
    name="facade",
    steps=(Step("payment"), Step("notification")),
    routes=(
        Route("POST", "/orders", creates_order=True),
        Route("POST", "/orders/{order_ref}/cancellations"),
    ),
    caller="anonymous",
    orders=no_orders,
)
