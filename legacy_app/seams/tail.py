"""The steps behind the order: what the toolkit reads off them, in the plan's words, and how they are run once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from legacy_app.monolith.models import Order
from legacy_app.seams import events
from legacy_app.seams.strangling import hands, strangled
from strangler import Call, Write
from strangler.service import Intent

SOLD = ("OrderPlaced", "OrderCancelled")
# The monolith's words for a document's fields, and the plan's.
DOCUMENT = {
    "ref": "order_ref",
    "state": "status",
    "channel": "channel",
    "sold_by": "merchant_id",
    "customer": "customer_id",
    "country": "country",
    "placed": "placed_at",
    "pence": "total_minor",
    "articles": "skus",
}

Mail = Callable[..., dict[str, Any]]
Index = Callable[[Session, Order], dict[str, Any]]
Learn = Callable[[Session, Order], list[str] | None]


def mailing(notify: Mail) -> Mail:
    """Around `notify(session, order, vendors, cancellation, key)`."""

    def again(order: Order, payload: Mapping[str, Any], key: str) -> object:
        session, vendors = hands(order)
        return notify(session, events.drawn(payload), vendors, events.cancellation_of(payload), key=key)

    return strangled.step("notification", SOLD, observe_mail, again, subject="order")(notify)


def indexing(index: Index) -> Index:
    """One document an order: its newest, also for an older event."""

    def again(order: Order, _payload: Mapping[str, Any]) -> object:
        return index(hands(order)[0], order)

    return strangled.step("search", SOLD, observe_document, again, subject="order")(index)


def learning(learn: Learn) -> Learn:
    """One basket an order: as placed, and empty once all of it is cancelled."""

    def again(order: Order, payload: Mapping[str, Any]) -> object:
        return learn(hands(order)[0], events.drawn(payload))

    return strangled.step("recommendation", SOLD, observe_basket, again, subject="order")(learn)


def observe_mail(_order: Order, message: dict[str, Any], *_given: object, **_more: object) -> Sequence[Intent]:
    """The mail itself says all: it is the same from either side."""
    return [Call("mail", "send", message)]


def observe_document(_order: Order, document: Mapping[str, Any], *_given: object, version: int) -> Sequence[Intent]:
    body = {ours: document[theirs] for theirs, ours in DOCUMENT.items()}
    return [Write("document", {**body, "version": version, "text": " | ".join(document["words"])})]


def observe_basket(order: Order, skus: list[str] | None, *_given: object, version: int) -> Sequence[Intent]:
    if skus is None:
        return []
    kept = {"order_ref": order.order_ref, "version": version, "customer_id": order.customer_id, "skus": skus}
    return [Write("basket", kept)]
