"""What each vendor asks for and answers: payments and refunds, fraud, mail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from legacy_app.vendors.ledger import Entry

LARGE_MINOR = 5_000_000


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a vendor takes requests, which fields it needs and of which type, and its answer to a done effect.

    `answer` gets the effect, and where it gives another book's effect back, that one (None: there was none).
    """

    path: str
    needs: Mapping[str, type]
    status: int
    answer: Callable[[Entry, Entry | None], dict[str, Any]]
    gives_back: str | None = None


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


def _charge(entry: Entry, _: Entry | None) -> dict[str, Any]:
    return {"charge_id": f"ch_{entry.seq}", "status": "succeeded", "amount_minor": entry.body["amount_minor"]}


def _refund(entry: Entry, charge: Entry | None) -> dict[str, Any]:
    """By the charge's key. Where nothing was charged the key is void: a later charge with it is refused."""
    if charge is None:
        return {"refund_id": f"re_{entry.seq}", "refund_status": "voided", "charge_id": "", "amount_minor": 0}
    amount = charge.body["amount_minor"]
    refunded = {"charge_id": f"ch_{charge.seq}", "amount_minor": amount}
    return {"refund_id": f"re_{entry.seq}", "refund_status": "refunded", **refunded}


def _score(entry: Entry, _: Entry | None) -> dict[str, Any]:
    return {"score": risk(entry.body.get("customer_id"), entry.body["amount_minor"])}


def _message(entry: Entry, _: Entry | None) -> dict[str, Any]:
    return {"message_id": f"m_{entry.seq}", "status": "accepted"}


DESKS: Mapping[str, Desk] = {
    "payments": Desk("/payments/charges", {"order_ref": str, "amount_minor": int}, 201, _charge),
    "refunds": Desk("/payments/refunds", {"order_ref": str, "amount_minor": int}, 200, _refund, gives_back="payments"),
    "fraud": Desk("/fraud/scores", {"order_ref": str, "amount_minor": int}, 200, _score),
    "mail": Desk("/mail/messages", {"to": str, "template": str, "order_ref": str, "subject_ref": str}, 202, _message),
}
