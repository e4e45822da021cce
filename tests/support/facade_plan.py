"""The smallest plan that the facade can serve."""

from collections.abc import Iterable

from outbox.connection import PsycopgConnection
from strangler.facts import SubjectFacts
from strangler.plan import Plan, Route, Step, Subject


def no_orders(_connection: PsycopgConnection) -> Iterable[SubjectFacts]:
    return ()


plan = Plan(
    name="facade",
    subject=Subject("order", read=no_orders, caller="anonymous"),
    steps=(Step("payment"), Step("notification")),
    routes=(
        Route("POST /orders", creates="order"),
        Route("POST /orders/{ref}/cancellations"),
    ),
)
