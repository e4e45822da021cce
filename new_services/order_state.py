"""An order as its events carry it: the same fields at the top of every event, from either side. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from new_services.fields import kind, one_of, optional_text, text, whole
from outbox.errors import Undecodable
from strangler.service import Json

STATUSES = ("pending", "placed", "partly_cancelled", "cancelled", "rejected")
CHANNELS = ("web", "store_pickup", "marketplace")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order; money is integer pence."""

    sku: str
    description: str
    quantity: int
    cancelled: int
    unit_price_minor: int

    @property
    def remaining(self) -> int:
        return self.quantity - self.cancelled


@dataclass(frozen=True, slots=True)
class Order:
    """An order's state after an event."""

    order_ref: str
    version: int
    client_ref: str
    channel: str
    merchant_id: str | None
    customer_id: str | None
    country: str
    placed_at: str
    currency: str
    status: str
    total_minor: int
    lines: tuple[Line, ...]

    def held(self) -> dict[str, int]:
        """The pieces that the order still wants, by SKU; a SKU with none is left out."""
        pieces: Counter[str] = Counter()
        for line in self.lines:
            pieces[line.sku] += line.remaining
        return {sku: pieces[sku] for sku in sorted(pieces) if pieces[sku]}


def read_order(body: Mapping[str, Json], version: int) -> Order:
    """`Undecodable` names the field that is wrong."""
    return Order(
        order_ref=text(body, "order_ref"),
        version=version,
        client_ref=text(body, "client_ref"),
        channel=one_of(body, "channel", CHANNELS),
        merchant_id=optional_text(body, "merchant_id"),
        customer_id=optional_text(body, "customer_id"),
        country=text(body, "country"),
        placed_at=text(body, "placed_at"),
        currency=text(body, "currency"),
        status=one_of(body, "status", STATUSES),
        total_minor=whole(body, "total_minor"),
        lines=_lines(body),
    )


def state(order: Order) -> dict[str, Json]:
    """The fields as they stand at the top of an event; `version` is the event's own."""
    fields = {**asdict(order), "lines": [asdict(line) for line in order.lines]}
    del fields["version"]
    return fields


def _lines(body: Mapping[str, Json]) -> tuple[Line, ...]:
    lines = body.get("lines")
    if not isinstance(lines, list):
        raise Undecodable(f"'lines' is {kind(lines)}, not a list")
    return tuple(_line(line) for line in lines)


def _line(line: Json) -> Line:
    if not isinstance(line, dict):
        raise Undecodable(f"a line is {kind(line)}, not an object")
    quantity, cancelled = whole(line, "quantity"), whole(line, "cancelled")
    if not 0 <= cancelled <= quantity:
        raise Undecodable(f"a line has {cancelled} of {quantity} cancelled")
    return Line(text(line, "sku"), text(line, "description"), quantity, cancelled, whole(line, "unit_price_minor"))
