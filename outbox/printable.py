"""Text of others on a terminal: what would move its cursor, set its title or turn its lines is written as escapes."""

from __future__ import annotations

import re

# C0 without tab and line feed, DEL and C1; marks that turn the direction of text; halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""The same text for eyes. Lines and tabs stay.

    >>> print(printable("\x1b[31mred\x07"))
    \x1b[31mred\x07
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    r"""The same for a line of a list, which text of others must not end.

    >>> print(one_line("red\nblue"))
    red\nblue
    """
    return printable(text).replace("\n", r"\n")
