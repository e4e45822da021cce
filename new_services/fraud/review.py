"""The backlog of reviews: doubtful orders were cleared at once; a person looks at them later, and may still refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import requests

from outbox.connection import PsycopgConnection
from strangler.errors import DependencyDown, RefusedError
from strangler.step.intents import Json

CANCELLATION_REF = "fraud-review"  # one per order: asked again, legacy knows it
TIMEOUT_S = 10.0

# The order's lines are those that were scored.
OPEN = """
SELECT review.order_ref, review.score, review.opened_at, effect.carry -> 'order'
FROM review JOIN effect ON (effect.order_ref, effect.step, effect.number) = (review.order_ref, 'fraud', 100)
WHERE review.resolved_at IS NULL AND (%(order_ref)s::text IS NULL OR review.order_ref = %(order_ref)s)
ORDER BY review.opened_at, review.order_ref
LIMIT %(limit)s"""

# Held over the request to legacy: of two reviewers of one order, the second waits and finds it resolved.
LOCK = "SELECT FROM review WHERE order_ref = %(order_ref)s AND resolved_at IS NULL FOR UPDATE"

RESOLVE = """
UPDATE review SET resolved_at = now(), resolution = %(resolution)s, actor = %(actor)s, reason = %(reason)s
WHERE order_ref = %(order_ref)s"""


@dataclass(frozen=True, slots=True)
class Review:
    """A cleared order that waits for a person."""

    order_ref: str
    score: int
    opened_at: datetime
    order: Mapping[str, Json]

    def pieces(self) -> dict[str, int]:
        """All that was ordered, by SKU."""
        pieces: Counter[str] = Counter()
        for line in self.order["lines"]:
            pieces[line["sku"]] += line["quantity"]
        return dict(pieces)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a person says of an order, for the audit."""

    order_ref: str
    actor: str
    reason: str


def backlog(connection: PsycopgConnection, *, limit: int, order_ref: str | None = None) -> Sequence[Review]:
    """The oldest first."""
    rows = connection.execute(OPEN, {"order_ref": order_ref, "limit": limit}).fetchall()
    return [Review(*row) for row in rows]


def clear(connection: PsycopgConnection, said: Resolution) -> None:
    """The order was good: nothing changes for it. In the caller's transaction."""
    _lock(connection, said)
    _resolve(connection, said, "cleared")


def refuse(connection: PsycopgConnection, said: Resolution, legacy_url: str) -> None:
    """Cancel the whole order at legacy, whose event gives back what it holds. In the caller's transaction.

    A crash between the two leaves the review open; asked again, legacy knows the cancellation.
    """
    review = _lock(connection, said)
    _cancel(legacy_url, review)
    _resolve(connection, said, "refused")


def _lock(connection: PsycopgConnection, said: Resolution) -> Review:
    connection.execute(LOCK, {"order_ref": said.order_ref})
    found = backlog(connection, limit=1, order_ref=said.order_ref)
    if not found:
        raise RefusedError(f"no open review of order {said.order_ref[:80]!r}; see `review list`")
    return found[0]


def _resolve(connection: PsycopgConnection, said: Resolution, resolution: str) -> None:
    parameters = {"order_ref": said.order_ref, "actor": said.actor, "reason": said.reason}
    connection.execute(RESOLVE, {**parameters, "resolution": resolution})


def _cancel(legacy_url: str, review: Review) -> None:
    url = f"{legacy_url.rstrip('/')}/orders/{quote(review.order_ref, safe='')}/cancellations"
    lines = [{"sku": sku, "quantity": pieces} for sku, pieces in review.pieces().items()]
    body = {"cancellation_ref": CANCELLATION_REF, "lines": lines}
    try:
        answer = requests.post(url, json=body, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise DependencyDown(f"legacy does not answer: {type(error).__name__}; check LEGACY_URL") from error
    if answer.status_code >= 500:
        raise DependencyDown(f"legacy answered {answer.status_code} to the cancellation; try again")
    if not answer.ok:
        raise RefusedError(
            f"legacy refused to cancel order {review.order_ref}: {answer.status_code} {answer.text[:200]}; "
            "the review stays open: try again later, or cancel by hand and clear it"
        )
