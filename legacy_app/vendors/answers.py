"""What each vendor asks for and answers: payments, fraud, mail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from legacy_app.vendors.ledger import Entry

LARGE_MINOR = 5_000_000


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a vendor takes requests, which fields it needs and of which type, and its answer to a done effect."""

    path: str
    needs: Mapping[str, type]
    status: int
    answer: Callable[[Entry], dict[str, Any]]


def lacking(desk: Desk, body: Mapping[str, Any]) -> str | None:
    """What is wrong with a body, in words; None when nothing is."""
    for name, kind in desk.needs.items():
        value = body.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"{name} is not a {'whole number' if kind is int else 'text'}"
    return None


def risk(customer_id: str | None, amount_minor: int) -> int:
    """0..99, always the same for the same order; only large amounts can reach 90."""
    digest = hashlib.blake2b(f"{customer_id}:{amount_minor}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) % 60 + (40 if amount_minor >= LARGE_MINOR else 0)


def _charge(entry: Entry) -> dict[str, Any]:
    return {"charge_id": f"ch_{entry.seq}", "status": "succeeded", "amount_minor": entry.body["amount_minor"]}


def _score(entry: Entry) -> dict[str, Any]:
    return {"score": risk(entry.body.get("customer_id"), entry.body["amount_minor"])}


def _message(entry: Entry) -> dict[str, Any]:
    return {"message_id": f"m_{entry.seq}", "status": "accepted"}


DESKS: Mapping[str, Desk] = {
    "payments": Desk("/payments/charges", {"order_ref": str, "amount_minor": int}, 201, _charge),
    "fraud": Desk("/fraud/scores", {"order_ref": str, "amount_minor": int}, 200, _score),
    "mail": Desk("/mail/messages", {"to": str, "template": str, "order_ref": str, "subject_ref": str}, 202, _message),
}
