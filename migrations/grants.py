"""What the toolkit's roles need of the sample's own tables, beside what `strangler migrate --roles` grants."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.schema import role_name

ROWS = "SELECT, INSERT, UPDATE, DELETE"
CONTEXTS = "fraud, inventory, payment, notification, search, recommendation, ordering"
# What orders share is written by the statements of its context, whoever owns the order.
STOCK = (
    "USAGE ON SCHEMA legacy, inventory",
    "SELECT, INSERT, UPDATE ON legacy.stock, inventory.stock",
    "SELECT, INSERT ON inventory.stock_hold",
)
VELOCITY = (
    "USAGE ON SCHEMA legacy, fraud",
    "INSERT ON legacy.velocity, fraud.velocity",
    "SELECT ON fraud.kept_velocity",
)
GRANTS = {
    "monolith": ("USAGE ON SCHEMA legacy", f"{ROWS} ON ALL TABLES IN SCHEMA legacy", *STOCK, *VELOCITY),
    "judge": ("USAGE ON SCHEMA legacy", f"SELECT ON ALL TABLES IN SCHEMA legacy, {CONTEXTS}"),
    "fraud": (f"{ROWS} ON fraud.decision, fraud.review", *VELOCITY),
    "inventory": (f"{ROWS} ON inventory.reservation", *STOCK),
    "payment": (f"{ROWS} ON payment.payment",),
    "search": (f"{ROWS} ON search.document",),
    "recommendation": (f"{ROWS} ON recommendation.basket, recommendation.affinity",),
    "order": (f"{ROWS} ON ordering.progress",),
}


def statements(prefix: str) -> Iterator[str]:
    """Idempotent; the roles and the tables must be there."""
    for kind, grants in GRANTS.items():
        role = role_name(prefix, kind).replace('"', '""')
        yield from (f'GRANT {grant} TO "{role}"' for grant in grants)
