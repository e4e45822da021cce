"""The channel of an order: the data has none, so its invoice number decides, always in the same way."""

from __future__ import annotations

import hashlib

HOT_MERCHANT = "merchant-1"
COLD_MERCHANTS = tuple(f"merchant-{number}" for number in range(2, 9))


def channel_of(invoice_no: str) -> tuple[str, str | None]:
    """Channel and merchant: web 70%, store pickup 15%, marketplace 15%, half of that with one hot merchant."""
    drawn = int.from_bytes(hashlib.blake2b(invoice_no.encode(), digest_size=8).digest())
    percent, rest = drawn % 100, drawn // 100
    if percent < 70:
        return "web", None
    if percent < 85:
        return "store_pickup", None
    return "marketplace", HOT_MERCHANT if rest % 2 else COLD_MERCHANTS[rest // 2 % len(COLD_MERCHANTS)]
