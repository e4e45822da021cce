"""The nightly batch: one long transaction over all stock and settlements, which collides with the day's orders."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

# Rows in the chain's own order (SKU, byte by byte), so that the batch blocks orders but never deadlocks with them.
LOCK_STOCK = text('SELECT count(*) FROM (SELECT FROM legacy.stock ORDER BY sku COLLATE "C" FOR UPDATE) AS locked')
MARK_LOW = text("UPDATE legacy.stock SET low = (on_hand < :least) WHERE low <> (on_hand < :least)")
SETTLE = text("""
INSERT INTO legacy.merchant_settlement (merchant_id, orders, due_minor, settled_at)
SELECT merchant_id, count(*), sum(total_minor), now()
FROM legacy.orders WHERE merchant_id IS NOT NULL
GROUP BY merchant_id ORDER BY merchant_id
ON CONFLICT (merchant_id) DO UPDATE
SET orders = excluded.orders, due_minor = excluded.due_minor, settled_at = excluded.settled_at
RETURNING merchant_id""")
LOW_PIECES = 100


@dataclass(frozen=True, slots=True)
class Settled:
    """What the batch did, and how long it held all stock."""

    skus: int
    marked_low: int
    merchants: int
    held_s: float


def run_nightly(session: Session, *, hold_s: float, sleep: Callable[[float], None] = time.sleep) -> Settled:
    """Recount stock, then settle with merchants. `hold_s`: how much longer a bigger shop's batch would take.

    The caller commits.
    """
    started = time.monotonic()
    skus = session.execute(LOCK_STOCK).scalar_one()
    marked = session.execute(MARK_LOW, {"least": LOW_PIECES})
    sleep(hold_s)
    merchants = len(session.execute(SETTLE).all())
    return Settled(int(skus), int(getattr(marked, "rowcount", 0)), merchants, round(time.monotonic() - started, 3))
