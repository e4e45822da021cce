"""The first line of an orders file: which field is which column, or what is wrong with the file as a whole."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence

from legacy_app.rehearsal.orders_file.line import COLUMNS
from outbox.command import printable
from strangler.errors import BadInput

# Letters and digits alone, in lower case. Online Retail, and Online Retail II.
OTHER_NAMES: Mapping[str, str] = {
    "invoiceno": "invoice_no",
    "invoice": "invoice_no",
    "invoicedate": "invoiced_at",
    "invoicedat": "invoiced_at",
    "customerid": "customer_id",
    "stockcode": "stock_code",
    "unitprice": "unit_price",
    "price": "unit_price",
}
SHOWN = 200
SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}
UTF_8 = "save it as UTF-8, for example by `iconv -f {} -t UTF-8`"
# How a file begins that is no text of ours, what it is, and the way out.
BEGINNINGS: Sequence[tuple[bytes, str, str]] = (
    (b"PK\x03\x04", "a .zip or .xlsx file", "unpack it, or save the sheet as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an .xls file", "save the sheet as CSV (UTF-8)"),
    (b"\xff\xfe\x00\x00", "UTF-32", UTF_8.format("UTF-32")),
    (b"\xff\xfe", "UTF-16", UTF_8.format("UTF-16")),
    (b"\xfe\xff", "UTF-16", UTF_8.format("UTF-16")),
    (b"BZh", "packed by bzip2", "unpack it, or pack it by gzip"),
    (b"\xfd7zXZ", "packed by xz", "unpack it, or pack it by gzip"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", "unpack it, or pack it by gzip"),
    (b"%PDF", "a PDF", "export the table as CSV (UTF-8)"),
    (b"PAR1", "a Parquet file", "export it as CSV (UTF-8)"),
)


def columns_of(named: str, first: bytes) -> list[str]:
    """The columns' own names in the order of the file; others keep theirs. `BadInput` says what to do."""
    _refuse_no_csv(named, first)
    text = first.decode("utf-8-sig", errors="replace")
    try:
        found = [name.strip().lower() for name in next(csv.reader([text.rstrip("\r\n")]), [])]
    except csv.Error:
        found = []
    columns = [_own_name(name, found) for name in found]
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise BadInput(_lacking(named, missing, found, text))
    twice = [name for name in COLUMNS if columns.count(name) > 1]
    if twice:
        raise BadInput(f"{named} names the column {', '.join(twice)} twice in its first line; each may stand once")
    return columns


def _refuse_no_csv(named: str, first: bytes) -> None:
    for beginning, what, way_out in BEGINNINGS:
        if first.startswith(beginning):
            raise BadInput(f"{named} is {what}, not CSV; {way_out}")
    if b"\x00" in first:
        raise BadInput(f"{named} has NUL bytes in its first line, as UTF-16 has; {UTF_8.format('UTF-16LE')}")
    if b"\r" in first.rstrip(b"\r\n"):
        raise BadInput(f"{named} ends its lines by CR alone; end them by LF, for example by `tr '\\r' '\\n'`")


def _own_name(name: str, found: Sequence[str]) -> str:
    if name in COLUMNS:
        return name
    ours = OTHER_NAMES.get(re.sub(r"[^a-z0-9]", "", name))
    return name if ours is None or ours in found else ours  # the column of that very name goes first


def _lacking(named: str, missing: Sequence[str], found: Sequence[str], text: str) -> str:
    seen = printable(", ".join(found))[:SHOWN] or "nothing"
    other = max(SEPARATORS, key=text.count)
    if text.count(other) > text.count(","):
        return (
            f"{named} separates its fields by {SEPARATORS[other]}; export it with commas, and numbers with a decimal "
            f"point. Its first line has: {seen}"
        )
    return (
        f"{named} lacks the columns {', '.join(missing)}; its first line has: {seen}. "
        f"The first line must name: {','.join(COLUMNS)}; or InvoiceNo,InvoiceDate,CustomerID,Country,StockCode,"
        "Description,Quantity,UnitPrice"
    )
