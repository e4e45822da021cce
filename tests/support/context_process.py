"""What the process of a context is given."""

from __future__ import annotations

from pathlib import Path

PLAN = Path(__file__).resolve().parents[2] / "legacy_app" / "plan" / "plan.py"


def context_environ(dsn: str, bootstrap: str, prefix: str, **more: str) -> dict[str, str]:
    """To consume from topics, and in groups, of that prefix."""
    return {
        "STRANGLER_PLAN": str(PLAN),
        "STRANGLER_DSN": dsn,
        "KAFKA_BOOTSTRAP": bootstrap,
        "OUTBOX_TOPIC_PREFIX": prefix,
        "OUTBOX_GROUP_PREFIX": prefix,
        **more,
    }
