"""A plan small enough to move: one step without a new side, two with one. Also loaded by path, as a user's would be."""

from __future__ import annotations

from collections.abc import Iterable

from outbox.connection import PsycopgConnection
from strangler.contexts import Context
from strangler.facts import Fact, SubjectFacts
from strangler.plan import Check, Plan, Route, Step, Subject


def no_orders(_connection: PsycopgConnection) -> Iterable[SubjectFacts]:
    return []


def no_facts(_connection: PsycopgConnection) -> Iterable[Fact]:
    return []


CHECK = Check(identity=lambda _fields: "", stateful=True, expected=no_facts, actual=no_facts)

plan = Plan(
    name="small",
    subject=Subject("order", read=no_orders, caller="anonymous"),
    steps=(
        Step("payment"),
        Step("notification", Context("notification", "notification", ("order",)), CHECK),
        Step("search", Context("search", "search", ("order",)), CHECK),
    ),
    routes=(Route("POST /orders", creates="order"),),
)
