"""The sample's plan: its chain, how each step is judged, and the processes that make it up."""

from __future__ import annotations

from legacy_app.admission import admission, modes
from legacy_app.plan import oracle, oracle_middle, readers
from legacy_app.plan.authority import stock, velocity
from legacy_app.plan.choreography import choreography
from strangler import Check, Plan, Process, Route, Step, Subject

plan = Plan(
    name="shop",
    subject=Subject(
        "order",
        table="legacy.orders",
        ref="order_ref",
        version="subject_version",
        refused="rejected_by",
        undecided="status = 'pending'",
        caller="anonymous",
    ),
    steps=(
        Step(
            "new_services.fraud.service:fraud",
            check=Check(
                identity=oracle_middle.identity,
                expected=oracle_middle.expected_scores,
                actual=readers.decisions,
                only_asks=True,
            ),
            waiting="orders wait for their check",
            shared=("velocity",),
        ),
        Step(
            "new_services.inventory.service:inventory",
            check=Check(
                identity=oracle_middle.identity,
                stateful=True,
                expected=oracle_middle.expected_reservations,
                actual=readers.reservations,
            ),
            waiting="orders wait for their stock",
            shared=("stock",),
        ),
        Step(
            "new_services.payment.service:payment",
            check=Check(
                identity=oracle_middle.identity,
                expected=oracle_middle.expected_charges,
                actual=readers.payments,
            ),
            waiting="orders wait for their payment",
        ),
        Step("new_services.notification.service:notification", check=Check(expected=oracle.expected_mails)),
        Step("new_services.search.service:search", check=Check(expected=oracle.expected_documents)),
        Step(
            "new_services.recommendation.service:recommendation",
            check=Check(stateful=True, expected=oracle.expected_baskets, actual=readers.baskets),
        ),
    ),
    routes=(
        Route("POST /orders", creates="order", key="required"),
        Route("POST /orders/{ref}/cancellations"),
    ),
    shared={"stock": stock, "velocity": velocity},
    choreography=choreography,
    admission=admission,
    modes=modes,
    facets=lambda event: {("sku", line["sku"]) for line in event.json().get("lines", ())},
    resumer="legacy_app.seams.resuming:create_resumed",
    projections={"order": "new_services.order.service:order"},
    topics=dict.fromkeys(("fraud", "inventory", "payment", "order", "notification"), 4),
    processes=(
        Process("vendors", ("legacy_app", "vendors"), url="VENDORS_URL", tokens=("VENDORS_ADMIN_TOKEN",)),
        Process("legacy", ("legacy_app", "serve"), url="LEGACY_URL"),
    ),
    own_tables=("migrations",),
    own_grants=("migrations", "grant"),
)
