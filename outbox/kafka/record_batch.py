"""Records of a batch in Kafka's format v2, decoded in one loop. Pure.

kafka-python calls a function for every varint and builds two objects for every record: with five headers it needs
five times as long. Numbers are zigzag varints, nearly all of one or two bytes: those are read in place.
"""

from __future__ import annotations

from outbox.kafka.port import Record

NAMES_KEPT = 1_000  # a topic has a handful of header names; strange ones must not fill the memory
_names: dict[bytes, str] = {}


def decode_records(
    buffer: bytes, count: int, topic: str, partition: int, *, base_offset: int, base_ms: int, fixed_ms: int | None
) -> list[Record]:
    """The records that `buffer` (uncompressed, after the batch's header) holds. `ValueError` if it is damaged.

    `fixed_ms` is the time of all records where the broker sets it; else each has its distance to `base_ms`.
    """
    records: list[Record] = []
    new, at = tuple.__new__, 0
    try:
        for _ in range(count):
            length, at = _varint(buffer, at)
            end = at + length
            number, at = _varint(buffer, at + 1)  # after the attributes, which say nothing yet
            moment = base_ms + number if fixed_ms is None else fixed_ms
            number, at = _varint(buffer, at)
            offset = base_offset + number
            key, at = _bytes(buffer, at)
            value, at = _bytes(buffer, at)
            headers, at = _headers(buffer, at)
            if at != end:
                raise ValueError(f"a record ends at byte {at} instead of {end}")
            records.append(new(Record, (topic, partition, offset, key, value, headers, moment)))
    except IndexError as error:
        raise ValueError(f"a record goes beyond the batch's {len(buffer)} bytes") from error
    if at != len(buffer):
        raise ValueError(f"{count} records end at byte {at} of {len(buffer)}")
    return records


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where the next one begins."""
    number = buffer[at]
    at += 1
    if number > 127:
        number &= 127
        shift = 7
        while (more := buffer[at]) > 127:
            number |= (more & 127) << shift
            at += 1
            shift += 7
        number |= more << shift
        at += 1
    return number >> 1 ^ -(number & 1), at


def _bytes(buffer: bytes, at: int) -> tuple[bytes | None, int]:
    length = buffer[at]
    at += 1
    if length > 127:
        length, at = _varint(buffer, at - 1)
    else:
        length = length >> 1 ^ -(length & 1)
    if length < 0:
        return None, at
    end = at + length
    return buffer[at:end], end


def _headers(buffer: bytes, at: int) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    """As tuples: the garbage collector lets go of those at first sight, and many records wait in memory."""
    count, at = _varint(buffer, at)
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        length = buffer[at]
        at += 1
        if length > 127:
            length, at = _varint(buffer, at - 1)
        else:
            length >>= 1
        end = at + length
        name = buffer[at:end]
        length = buffer[end]
        at = end + 1
        if length > 127:
            length, at = _varint(buffer, end)
            end = at + length
        elif length & 1:
            headers.append((_names.get(name) or _named(name), None))
            continue
        else:
            end = at + (length >> 1)
        headers.append((_names.get(name) or _named(name), buffer[at:end]))
        at = end
    return tuple(headers), at


def _named(name: bytes) -> str:
    text = name.decode()
    if len(_names) < NAMES_KEPT:
        _names[name] = text
    return text
