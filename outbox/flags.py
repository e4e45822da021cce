"""Numbers that a verb takes: what argparse's own int and float let through, -1, nan or a port of 99999, is refused."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable

__all__ = ["count", "port", "seconds", "seed", "whole"]

MOST = 10**18  # fits PostgreSQL's bigint
LONGEST_S = 3_600.0
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_LONGEST_DURATION_S = 366 * 86_400.0
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


def whole(least: int, most: int = MOST) -> Callable[[str], int]:
    """For `add_argument(type=...)`: a whole number from `least` to `most`.

    >>> whole(1)("50")
    50
    >>> whole(1)("-1")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: '-1' is no such number; give 1 or more
    """
    wanted = f"{least} or more" if most == MOST else f"{least} to {most}"

    def read(text: str) -> int:
        if _WHOLE.fullmatch(text) is None or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is no such number; give {wanted}")
        return int(text)

    return read


def seconds(least: float = 0.0, most: float = LONGEST_S) -> Callable[[str], float]:
    """The same for a time.

    >>> seconds()("0.5")
    0.5
    >>> seconds(0.05, 600)("nan")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: 'nan' is no such time; give seconds, 0.05 to 600
    """

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is no such time; give seconds, {least:g} to {most:g}")
        return found

    return read


def duration(text: str) -> float:
    """Seconds, of `90s`, `30m`, `2h` or `1d`; a bare number would be a guess.

    >>> duration("2h"), duration("1.5m")
    (7200.0, 90.0)
    """
    unit_s = _UNITS_S.get(text[-1:])
    try:
        found = float(text[:-1]) * (unit_s or math.nan)
    except ValueError:
        found = math.nan
    if not 1.0 <= found <= _LONGEST_DURATION_S:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no such time; give 90s, 30m, 2h or 1d, a second to a year")
    return found


count = whole(1)
seed = whole(-MOST)
port = whole(1, 65_535)
