"""Why a line of an orders file does not become an order or a cancellation: each line has exactly one fate."""

from __future__ import annotations

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


class Unmatched(StrEnum):
    """A line of a cancellation that names no order that could be found."""

    NO_CUSTOMER = "no_customer"
    NO_EARLIER_ORDER = "no_earlier_order"  # of this customer and stock code
    NOT_ENOUGH_LEFT = "not_enough_left"  # in any one earlier order
