"""Records of a batch in Kafka's format v2, decoded in one loop. Pure.

kafka-python calls a function for every varint and builds two objects for every record: with five headers it needs
five times as long. Numbers are zigzag varints, nearly all of one or two bytes: those are read in place.
"""

from __future__ import annotations

from outbox.kafka.headers import RawHeaders, varint
from outbox.kafka.port import Record


def decode_records(
    buffer: bytes, count: int, topic: str, partition: int, *, base_offset: int, base_ms: int, fixed_ms: int | None
) -> list[Record]:
    """The records that `buffer` (uncompressed, after the batch's header) holds. `ValueError` if it is damaged.

    `fixed_ms` is the time of all records where the broker sets it; else each has its distance to `base_ms`.
    Headers are left as they are until somebody looks at them.
    """
    records: list[Record] = []
    new, add, at = tuple.__new__, records.append, 0
    try:
        for _ in range(count):
            length, more = buffer[at], buffer[at + 1]
            if length & 129 == 128 and more < 128:  # two bytes and not negative, as nearly always
                end = (at := at + 2) + ((length & 127 | more << 7) >> 1)
            else:
                length, at = varint(buffer, at)
                end = at + length
            at += 1  # the attributes say nothing yet
            number = buffer[at]
            number, at = (number >> 1 ^ -(number & 1), at + 1) if number < 128 else varint(buffer, at)
            moment = base_ms + number if fixed_ms is None else fixed_ms
            number = buffer[at]
            number, at = (number >> 1, at + 1) if number < 128 else varint(buffer, at)
            length = buffer[at]
            length, at = (length >> 1 ^ -(length & 1), at + 1) if length < 128 else varint(buffer, at)
            key = None if length < 0 else buffer[at : (at := at + length)]
            length, more = buffer[at], buffer[at + 1]
            if length & 129 == 128 and more < 128:
                length, at = (length & 127 | more << 7) >> 1, at + 2
            else:
                length, at = varint(buffer, at)
            value = None if length < 0 else buffer[at : (at := at + length)]
            if at >= end:
                raise ValueError(f"a record ends at byte {end}, its value at {at}")
            add(new(Record, (topic, partition, base_offset + number, key, value, RawHeaders(buffer[at:end]), moment)))
            at = end
    except IndexError as error:
        raise ValueError(f"a record goes beyond the batch's {len(buffer)} bytes") from error
    if at != len(buffer):
        raise ValueError(f"{count} records end at byte {at} of {len(buffer)}")
    return records
