"""Why a line of an orders file does not become an order or a cancellation: each line has exactly one fate."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """A line that cannot be worked with."""

    UNDECODABLE = "undecodable"  # bytes that are not UTF-8
    TOO_LONG = "too_long"  # a line, or a text in it
    EMPTY_LINE = "empty_line"
    BAD_CSV = "bad_csv"  # quotes that do not close on the line, NUL characters
    COLUMN_COUNT = "column_count"  # more or fewer fields than the header
    BAD_INVOICE = "bad_invoice"
    ADJUSTMENT = "adjustment"  # an invoice like A563185: bookkeeping, no order
    BAD_DATE = "bad_date"
    MISSING_STOCK_CODE = "missing_stock_code"
    MISSING_COUNTRY = "missing_country"
    BAD_QUANTITY = "bad_quantity"
    ZERO_QUANTITY = "zero_quantity"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    NEGATIVE_QUANTITY = "negative_quantity"  # outside a cancellation: written off, lost, found broken
    POSITIVE_CANCELLATION = "positive_cancellation"
    BAD_PRICE = "bad_price"
    PRICE_NOT_POSITIVE = "price_not_positive"
    PRICE_BELOW_A_PENNY = "price_below_a_penny"  # rounds to nothing
    PRICE_TOO_LARGE = "price_too_large"
    INVOICE_REOPENED = "invoice_reopened"  # the invoice's lines do not stand together
    OTHER_CUSTOMER = "other_customer"  # than in the invoice's first line
    INVOICE_TOO_LONG = "invoice_too_long"


EXPECTED: Mapping[Reason, str] = {
    Reason.UNDECODABLE: "UTF-8; `iconv -f ISO-8859-1 -t UTF-8` makes it of what many programs export",
    Reason.TOO_LONG: "at most 8 KiB a line, 255 characters a field",
    Reason.EMPTY_LINE: "one record a line",
    Reason.BAD_CSV: "one record a line, its quotes closed, no NUL",
    Reason.COLUMN_COUNT: "as many fields as the first line names",
    Reason.BAD_INVOICE: "an invoice number of digits, such as 536365, or C536379 for a cancellation",
    Reason.ADJUSTMENT: "an invoice number of digits, or C and digits; other letters are bookkeeping",
    Reason.BAD_DATE: "a date in ISO 8601, such as 2011-06-01T08:26 or 2011-06-01 08:26:00",
    Reason.MISSING_STOCK_CODE: "a stock code, such as 85123A",
    Reason.MISSING_COUNTRY: "a country",
    Reason.BAD_QUANTITY: "a whole number of pieces, such as 6; a cancellation's is negative",
    Reason.ZERO_QUANTITY: "a number of pieces other than 0",
    Reason.QUANTITY_TOO_LARGE: "at most ten million pieces",
    Reason.NEGATIVE_QUANTITY: "a negative quantity in cancellations (C...) alone",
    Reason.POSITIVE_CANCELLATION: "a negative quantity in a cancellation",
    Reason.BAD_PRICE: "a price with a decimal point, such as 2.55",
    Reason.PRICE_NOT_POSITIVE: "a price above 0",
    Reason.PRICE_BELOW_A_PENNY: "a price of a penny or more",
    Reason.PRICE_TOO_LARGE: "a price of at most a million",
    Reason.INVOICE_REOPENED: "an invoice's lines beside each other; sort the file by invoice number",
    Reason.OTHER_CUSTOMER: "one customer and one country in all lines of an invoice",
    Reason.INVOICE_TOO_LONG: "at most 5,000 lines an invoice",
}


class Unmatched(StrEnum):
    """A line of a cancellation that names no order that could be found."""

    NO_CUSTOMER = "no_customer"
    NO_EARLIER_ORDER = "no_earlier_order"  # of this customer and stock code
    NOT_ENOUGH_LEFT = "not_enough_left"  # in any one earlier order
