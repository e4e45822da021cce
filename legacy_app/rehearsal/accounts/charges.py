"""What the payment provider has taken and given back, from its own ledgers."""

from __future__ import annotations

from dataclasses import dataclass

from legacy_app.rehearsal.accounts.vendor_ledger import read_ledger


@dataclass(frozen=True, slots=True)
class Charge:
    """Of one key. A refund has the key of its charge."""

    order_ref: str
    client_ref: str | None
    refunded: bool


def read_charges(vendors_url: str) -> list[Charge]:
    """All of them; refunds first, so that a charge that is refunded meanwhile counts as kept."""
    given_back = {entry["key"] for entry in read_ledger(vendors_url, "refunds")}
    return [
        Charge(entry["body"]["order_ref"], entry["body"].get("client_ref"), entry["key"] in given_back)
        for entry in read_ledger(vendors_url, "payments")
    ]
