"""A plan whose middle step writes stock, which orders share; `velocity` is written, but nobody says how."""

from __future__ import annotations

from legacy_app.plan.authority import stock
from strangler.contexts import Context
from strangler.plan import Plan, Route, Step, Subject
from tests.integration.stages.plan import CHECK, no_orders

plan = Plan(
    name="stock",
    subject=Subject("order", read=no_orders, caller="anonymous"),
    steps=(
        Step("inventory", Context("inventory", "inventory", ("fraud",)), CHECK, shared=("stock",)),
        Step("search", Context("search", "search", ("order",)), CHECK, shared=("stock", "velocity")),
    ),
    routes=(Route("POST /orders", creates="order"),),
    shared={"stock": stock},
)
