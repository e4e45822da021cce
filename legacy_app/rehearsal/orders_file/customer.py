"""Who has ordered: one name for a customer however the file was exported, None for a guest. Pure."""

from __future__ import annotations

import re
from decimal import Decimal

# What programs write where there is no value.
NOBODY = frozenset({"", "-", "nan", "null", "none", "na", "n/a", "<na>", "#n/a", "nil", "nat", r"\n", "(null)"})
_WITH_A_FRACTION = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{0,10})?([eE][+]?[0-9]{1,2})?")


def customer_of(text: str) -> str | None:
    """None where the field names nobody: a word for "no value", or a number of 0 or less.

    A column with empty fields often leaves a program as numbers with a fraction: they are whole ones again.

    >>> customer_of("17850"), customer_of("17850.0"), customer_of("1.785e+04"), customer_of("NaN"), customer_of("0.0")
    ('17850', '17850', '17850', None, None)
    """
    if text.casefold() in NOBODY:
        return None
    if _WITH_A_FRACTION.fullmatch(text) is None:
        return text
    number = Decimal(text)
    if number <= 0:
        return None
    plain = text.isdecimal() or number != number.to_integral_value()  # its leading zeros, its fraction are its own
    return text if plain else f"{number:.0f}"
