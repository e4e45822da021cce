"""What the process of a context is given."""

from __future__ import annotations


def context_environ(dsn: str, bootstrap: str, prefix: str, **more: str) -> dict[str, str]:
    """To consume from topics, and in groups, of that prefix."""
    return {
        "STRANGLER_DSN": dsn,
        "KAFKA_BOOTSTRAP": bootstrap,
        "OUTBOX_TOPIC_PREFIX": prefix,
        "OUTBOX_GROUP_PREFIX": prefix,
        **more,
    }
