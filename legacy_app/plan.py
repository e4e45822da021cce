"""The sample's plan: its chain, how each step is judged, and the processes that make it up."""

from __future__ import annotations

from legacy_app import oracle, oracle_middle, readers, readers_middle
from legacy_app.authority import stock, velocity
from legacy_app.choreography import choreography
from legacy_app.pausing import MIDDLE
from strangler.plan import Check, Context, Plan, Process, Route, Step, Subject

STEPS = ("fraud", "inventory", "payment", "notification", "search", "recommendation")
SERVICES = (*STEPS, "order")


def _context(name: str, *topics: str) -> Context:
    return Context(schema=name, group=name, topics=topics or ("order",), policy=f"new_services.{name}.policy:POLICY")


plan = Plan(
    name="shop",
    subject=Subject("order", read=oracle.orders, caller="anonymous"),
    steps=(
        Step(
            "fraud",
            _context("fraud", "intake", "fraud"),
            Check(
                identity=oracle_middle.identity,
                stateful=False,
                expected=oracle_middle.expected_scores,
                actual=readers_middle.scores,
                ledger=readers_middle.scorer_ledger,
                only_asks=True,
            ),
            waiting="orders wait for their check",
            waits=True,
            shared=("velocity",),
        ),
        Step(
            "inventory",
            _context("inventory", "fraud", "inventory", "order"),
            Check(
                identity=oracle_middle.identity,
                stateful=True,
                expected=oracle_middle.expected_reservations,
                actual=readers_middle.reservations,
            ),
            waiting="orders wait for their stock",
            waits=True,
            shared=("stock",),
        ),
        Step(
            "payment",
            _context("payment", "inventory", "payment", "order"),
            Check(
                identity=oracle_middle.identity,
                stateful=False,
                expected=oracle_middle.expected_charges,
                actual=readers_middle.charges,
                ledger=readers_middle.provider_ledger,
            ),
            waiting="orders wait for their payment",
            waits=True,
        ),
        Step(
            "notification",
            _context("notification"),
            Check(
                identity=readers.mail_identity,
                stateful=False,
                expected=oracle.expected_mails,
                actual=readers.planned_mails,
                ledger=readers.sent_mails,
            ),
        ),
        Step(
            "search",
            _context("search"),
            Check(
                identity=lambda _: "document",
                stateful=True,
                expected=oracle.expected_documents,
                actual=readers.documents,
            ),
        ),
        Step(
            "recommendation",
            _context("recommendation"),
            Check(
                identity=lambda _: "basket",
                stateful=True,
                expected=oracle.expected_baskets,
                actual=readers.baskets,
            ),
        ),
    ),
    routes=(
        Route("POST /orders", creates="order"),
        Route("POST /orders/{ref}/cancellations"),
    ),
    shared={"stock": stock, "velocity": velocity},
    choreography=choreography,
    resumer="resume",
    resumer_context=Context(schema="resume", group="legacy", topics=MIDDLE),
    projections={
        "order": Context(
            schema="ordering",
            group="order",
            topics=("intake", "fraud", "inventory", "payment", "order"),
            policy="new_services.order.policy:POLICY",
        )
    },
    topics=dict.fromkeys(("intake", "fraud", "inventory", "payment", "order", "notification"), 4),
    processes=(
        Process("vendors", ("legacy_app", "vendors"), port_env="PORT", url_env="VENDORS_URL"),
        Process("legacy", ("legacy_app", "serve"), port_env="PORT", url_env="LEGACY_URL"),
        Process("resume", ("legacy_app", "resume")),
        *(Process(name, ("new_services", "run", name)) for name in SERVICES),
    ),
    own_tables=("migrations",),
)
