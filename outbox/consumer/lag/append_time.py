"""When an event was appended: its id tells it, its record's time bounds it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.kafka.headers import Header
from outbox.kafka.port import Record

VERSION_7 = "7"
UUID_DIGITS = 32


def appended_ms(record: Record) -> int:
    """Milliseconds of the epoch. A record's own time is when the relay sent it, after any outage of relay or broker, so
    the id says more; but an event was not appended after it was sent, whatever its producer's clock says.
    """
    told = id_ms(record.headers)
    if told is None:
        return record.timestamp_ms
    return min(told, record.timestamp_ms) if record.timestamp_ms > 0 else told


def id_ms(headers: Sequence[Header]) -> int | None:
    """The time in the header `id`; None where there is none of version 7.

    >>> id_ms([("id", b"00000000-03e8-7000-8000-000000000000")]), id_ms([("id", b"?")])
    (1000, None)
    """
    try:
        text = next((value for name, value in headers if name == "id"), None) or b""
        digits = text.decode().replace("-", "")
        whole = len(digits) == UUID_DIGITS and digits[12] == VERSION_7
        return int(digits[:12], 16) if whole else None
    except ValueError:  # damaged headers, bytes that are no text
        return None
