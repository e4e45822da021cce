"""The smallest plan that the facade can serve."""

from collections.abc import Iterable

from outbox.connection import PsycopgConnection
from strangler.facts import SubjectFacts
from strangler.keys import Derived
from strangler.plan import Plan, Route, Step, Subject


def no_orders(_connection: PsycopgConnection) -> Iterable[SubjectFacts]:
    return ()


plan = Plan(
    name="facade",
    subject=Subject(
        "order",
        read=no_orders,
        path="/orders/{ref}",
        hand_back_path="/internal/steps/{step}/orders/{ref}",
        caller="anonymous",
    ),
    steps=(Step("payment"), Step("notification")),
    routes=(
        Route("POST /orders", creates="order", key="required"),
        Route("POST /free/orders", creates="order", key_field="idempotency_key"),
        Route(
            "POST /derived/orders",
            creates="order",
            key=Derived("email", "day", within_s=3600),
            caller="header:Authorization",
        ),
        Route("POST /orders/{ref}/cancellations"),
        Route("PUT /orders/{ref}/address"),
        Route("POST /bookings/{id}/cancel"),
    ),
)
