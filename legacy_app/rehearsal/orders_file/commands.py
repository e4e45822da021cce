"""From lines to commands: orders in the order of the file, and between them the cancellations that match one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from legacy_app.rehearsal.orders_file.channel import channel_of
from legacy_app.rehearsal.orders_file.intake import Intake
from legacy_app.rehearsal.orders_file.invoice import Invoice, invoices
from legacy_app.rehearsal.orders_file.line import Line, read_line, split
from legacy_app.rehearsal.orders_file.matching import OpenOrders
from legacy_app.rehearsal.orders_file.reason import Reason, Unmatched


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """An order to place; `client_ref` is its invoice number, `body` what the shop is asked."""

    client_ref: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """The lines of one cancellation invoice that match one order."""

    cancellation_ref: str
    client_ref: str
    pieces: tuple[tuple[str, int], ...]


Command: TypeAlias = PlaceOrder | CancelOrder


def commands(columns: Sequence[str], raw_lines: Iterable[bytes], intake: Intake) -> Iterator[Command]:
    """Every line is counted in `intake`; nothing in a line stops the reading.

    An invoice whose cancellation lines match several orders becomes one command for each.
    """
    open_orders = OpenOrders()
    for invoice in invoices(_lines(columns, raw_lines, intake), intake):
        if invoice.cancels:
            yield from _cancellations(invoice, open_orders, intake)
        else:
            open_orders.add(invoice)
            intake.ordered += len(invoice.lines)
            yield _order(invoice)


def _lines(columns: Sequence[str], raw_lines: Iterable[bytes], intake: Intake) -> Iterator[Line]:
    for raw in raw_lines:
        intake.lines += 1
        line = _line(columns, raw)
        if isinstance(line, Reason):
            intake.reject(line, raw.decode(errors="replace"))
        else:
            yield line


def _line(columns: Sequence[str], raw: bytes) -> Line | Reason:
    fields = split(raw)
    if isinstance(fields, Reason):
        return fields
    if len(fields) != len(columns):
        return Reason.COLUMN_COUNT
    return read_line(dict(zip(columns, fields, strict=True)))


def _cancellations(invoice: Invoice, open_orders: OpenOrders, intake: Intake) -> Iterator[CancelOrder]:
    by_subject: dict[str, dict[str, int]] = {}
    for line in invoice.lines:
        number = open_orders.match(line)
        if isinstance(number, Unmatched):
            intake.unmatched[number] += 1
        else:
            intake.cancelled += 1
            pieces = by_subject.setdefault(number, {})
            pieces[line.sku] = pieces.get(line.sku, 0) + line.quantity
    for number, pieces in by_subject.items():
        yield CancelOrder(invoice.number, number, tuple(pieces.items()))


def _order(invoice: Invoice) -> PlaceOrder:
    channel, merchant_id = channel_of(invoice.number)
    first = invoice.lines[0]
    body = {
        "client_ref": invoice.number,
        "channel": channel,
        "merchant_id": merchant_id,
        "customer_id": first.customer_id,
        "country": first.country,
        "placed_at": first.invoiced_at,
        "lines": [
            {
                "sku": line.sku,
                "description": line.description,
                "quantity": line.quantity,
                "unit_price_minor": line.unit_price_minor,
            }
            for line in invoice.lines
        ],
    }
    return PlaceOrder(invoice.number, body)
