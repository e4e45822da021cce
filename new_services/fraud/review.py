"""A late refusal: a person has looked at an order that was cleared with a doubt, and legacy cancels all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from urllib.parse import quote

import requests

from outbox import PsycopgConnection
from strangler.errors import BadInput, DependencyDown, RefusedError

CANCELLATION_REF = "fraud-review"  # one per order: asked again, legacy knows it
TIMEOUT_S = 10.0

# The order's lines are those that were scored.
LINES = """
SELECT carry -> 'order' -> 'lines' FROM effect WHERE (subject_ref, step, number) = (%(order_ref)s, 'fraud', 100)"""


def cancel(connection: PsycopgConnection, order_ref: str, environ: Mapping[str, str]) -> None:
    """Cancel the whole order at legacy, whose event gives back what it holds. Asked again, legacy knows it."""
    row = connection.execute(LINES, {"order_ref": order_ref}).fetchone()
    pieces: Counter[str] = Counter()
    for line in row[0] if row else ():
        pieces[line["sku"]] += line["quantity"]
    lines = [{"sku": sku, "quantity": count} for sku, count in pieces.items()]
    url = f"{_given(environ, 'LEGACY_URL').rstrip('/')}/orders/{quote(order_ref, safe='')}/cancellations"
    body = {"cancellation_ref": CANCELLATION_REF, "lines": lines}
    try:
        answer = requests.post(url, json=body, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise DependencyDown(f"legacy does not answer: {type(error).__name__}; check LEGACY_URL") from error
    if answer.status_code >= 500:
        raise DependencyDown(f"legacy answered {answer.status_code} to the cancellation; try again")
    if not answer.ok:
        raise RefusedError(
            f"legacy refused to cancel order {order_ref}: {answer.status_code} {answer.text[:200]}; "
            "the review stays open: try again later, or cancel by hand and clear it"
        )


def _given(environ: Mapping[str, str], name: str) -> str:
    if not environ.get(name):
        raise BadInput(f"{name} is not set; `strangler up` prints it")
    return environ[name]
