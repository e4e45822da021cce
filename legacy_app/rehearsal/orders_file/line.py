"""One line of an orders file: read, or the reason why not. Pure; nothing in it raises for any bytes."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from legacy_app.rehearsal.orders_file.customer import customer_of
from legacy_app.rehearsal.orders_file.reason import Reason

COLUMNS = (
    "invoice_no",
    "invoiced_at",
    "customer_id",
    "country",
    "stock_code",
    "description",
    "quantity",
    "unit_price",
)
MAX_LINE_BYTES = 8_192
MAX_TEXT = 255
MAX_PIECES = 10_000_000
MAX_PRICE_MINOR = 100_000_000
_INVOICE = re.compile(r"(?P<letter>[A-Za-z]?)(?P<digits>[0-9]{1,20})")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?([eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Line:
    """`quantity` is of pieces, positive also in a cancellation; the price in pence, rounded half to even."""

    invoice_no: str
    cancels: bool
    invoiced_at: str
    customer_id: str | None
    country: str
    sku: str
    description: str
    quantity: int
    unit_price_minor: int


def split(raw: bytes) -> list[str] | Reason:
    """The fields of a physical line: a record that spans lines is not read."""
    if len(raw) > MAX_LINE_BYTES:
        return Reason.TOO_LONG
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Reason.UNDECODABLE
    if not text.strip():
        return Reason.EMPTY_LINE
    if "\x00" in text:
        return Reason.BAD_CSV
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        return Reason.BAD_CSV
    return [field.strip() for field in rows[0]] if len(rows) == 1 else Reason.BAD_CSV


class _Unfit(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def read_line(fields: Mapping[str, str]) -> Line | Reason:
    """A line's fields by column; the first thing that is wrong is the reason."""
    try:
        return _line(fields)
    except _Unfit as unfit:
        return unfit.reason


def _line(fields: Mapping[str, str]) -> Line:
    cancels = _cancels(fields["invoice_no"])
    if any(len(value) > MAX_TEXT for value in fields.values()):
        raise _Unfit(Reason.TOO_LONG)
    return Line(
        invoice_no=fields["invoice_no"].upper(),
        cancels=cancels,
        invoiced_at=_moment(fields["invoiced_at"]),
        customer_id=customer_of(fields["customer_id"]),
        country=_needed(fields["country"], Reason.MISSING_COUNTRY),
        sku=_needed(fields["stock_code"], Reason.MISSING_STOCK_CODE),
        description=fields["description"],
        quantity=_pieces(fields["quantity"], cancels=cancels),
        unit_price_minor=_pence(fields["unit_price"]),
    )


def _cancels(invoice_no: str) -> bool:
    invoice = _INVOICE.fullmatch(invoice_no)
    if invoice is None:
        raise _Unfit(Reason.BAD_INVOICE)
    letter = invoice["letter"].upper()
    if letter not in ("", "C"):
        raise _Unfit(Reason.ADJUSTMENT)
    return letter == "C"


def _needed(text: str, reason: Reason) -> str:
    if not text:
        raise _Unfit(reason)
    return text


def _moment(text: str) -> str:
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError as error:
        raise _Unfit(Reason.BAD_DATE) from error


def _pieces(text: str, *, cancels: bool) -> int:
    if _WHOLE.fullmatch(text) is None:
        raise _Unfit(Reason.BAD_QUANTITY)
    quantity = int(text)
    if quantity == 0:
        raise _Unfit(Reason.ZERO_QUANTITY)
    if abs(quantity) > MAX_PIECES:
        raise _Unfit(Reason.QUANTITY_TOO_LARGE)
    if (quantity < 0) != cancels:
        raise _Unfit(Reason.POSITIVE_CANCELLATION if cancels else Reason.NEGATIVE_QUANTITY)
    return abs(quantity)


def _pence(text: str) -> int:
    if _DECIMAL.fullmatch(text) is None:
        raise _Unfit(Reason.BAD_PRICE)
    price = Decimal(text)
    if price <= 0:
        raise _Unfit(Reason.PRICE_NOT_POSITIVE)
    if price > MAX_PRICE_MINOR // 100:
        raise _Unfit(Reason.PRICE_TOO_LARGE)
    pence = int((price * 100).quantize(Decimal(1), ROUND_HALF_EVEN))
    if pence == 0:
        raise _Unfit(Reason.PRICE_BELOW_A_PENNY)
    return pence
