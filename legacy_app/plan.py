"""The sample's plan: its chain, how each step is judged, and the processes that make it up."""

from __future__ import annotations

from legacy_app import oracle, readers
from legacy_app.authority import stock
from strangler.plan import Check, Context, Plan, Process, Rehearsal, Route, Step

SERVICES = ("notification", "search", "recommendation")


def _context(name: str) -> Context:
    return Context(schema=name, group=name, topics=("order",), policy=f"new_services.{name}.policy:POLICY")


plan = Plan(
    name="shop",
    steps=(
        Step("fraud"),
        Step("inventory", shared=("stock",)),
        Step("payment"),
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
        Route("POST", "/orders", creates_order=True),
        Route("POST", "/orders/{order_ref}/cancellations"),
    ),
    orders=oracle.orders,
    shared={"stock": stock},
    resumer="resume",
    topics=dict.fromkeys(("intake", "fraud", "inventory", "payment", "order", "notification"), 4),
    processes=(
        Process("vendors", ("legacy_app", "vendors"), port_env="PORT", url_env="VENDORS_URL"),
        Process("legacy", ("legacy_app", "serve"), port_env="PORT", url_env="LEGACY_URL"),
        Process("resume", ("legacy_app", "resume")),
        *(Process(name, ("new_services", "run", name)) for name in SERVICES),
    ),
    branches=("outbox", "strangler", "legacy", "resume", "inventory", *SERVICES),
    rehearsal=Rehearsal(
        replay=("legacy_app", "replay"),
        disease=("legacy_app", "disease"),
        plant=("new_services", "plant"),
        invariants=("legacy_app", "invariants"),
        faults=("dropped_mail", "doubled_mail", "wrong_document", "stuck_event"),
        slow_provider={
            "payments": {
                "latency_ms": 20,
                "slow_share": 0.015,
                "slow_ms": 1300,
                "effect_then_slow_share": 0.015,
                "effect_then_slow_ms": 3000,
                "seed": 54,  # the first sixty calls meet a slow answer and a late one
            },
        },
    ),
)
