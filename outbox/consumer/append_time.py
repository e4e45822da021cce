"""When an event was appended: its id tells it, its record's time bounds it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.kafka.headers import Header, RawHeaders
from outbox.kafka.port import Record

VERSION_7 = "7"
UUID_DIGITS = 32
_ID, _ID_AT, _ID_END = b"\x04id\x48", 5, 41  # the first header, a value of 36 characters


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
    if type(headers) is RawHeaders and headers.raw.startswith(_ID, 1):  # as our relay writes it: a third of the time
        text = headers.raw[_ID_AT:_ID_END]
        return _ms(text)
    try:
        return _ms(next((value for name, value in headers if name == "id"), None) or b"")
    except ValueError:  # damaged headers
        return None


def _ms(text: bytes) -> int | None:
    try:
        digits = text.decode().replace("-", "")
        whole = len(digits) == UUID_DIGITS and digits[12] == VERSION_7
        return int(digits[:12], 16) if whole else None
    except ValueError:
        return None
