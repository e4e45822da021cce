"""Parked events made ready for the handler: the row, its record from the log, the event in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outbox.consumer.quarantine.fetch import fetch
from outbox.consumer.quarantine.parked import ParkedRow
from outbox.consumer.triage import Decode
from outbox.errors import Undecodable
from outbox.event import ReceivedEvent
from outbox.kafka.port import Reader, Record, TopicPartition

PAGE = 2_000  # rows at a time

GONE = "its record is gone from the log and none was kept; give it a payload and headers in one call, or discard it"
SPOILT = "what was stored of its headers cannot be read; give it a payload and headers in one call, or discard it"


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A parked event ready for the handler, or why it is not."""

    row: ParkedRow
    event: ReceivedEvent | None
    reason: str


def unpack(rows: Sequence[ParkedRow], reader: Reader, partition: TopicPartition, decode: Decode) -> list[Parcel]:
    """A parcel for each row of the partition, in their order. Reads from the log what the rows do not hold."""
    read = fetch(reader, partition, [row.offset for row in rows if not row.complete])
    return [parcel_of(row, read.get(row.offset), partition, decode) for row in rows]


def parcel_of(row: ParkedRow, record: Record | None, partition: TopicPartition, decode: Decode) -> Parcel:
    """`record`: what the log holds there, None if that is gone."""
    if record is None and not row.complete:
        return Parcel(row, None, GONE)
    try:
        return Parcel(row, decode(row.record(partition, record)), "")
    except Undecodable as error:
        return Parcel(row, None, f"undecodable: {error}")
    except ValueError:
        return Parcel(row, None, SPOILT)


def in_versions_asked_for(parcels: Sequence[Parcel]) -> list[Parcel]:
    """The same, but each key that was asked for in the order of its versions, which need not be the log's.

    What cannot be read goes first: nobody knows its version, so the key waits for a person. Other keys stay in place.
    """
    keys: dict[bytes, list[Parcel]] = {}
    for one in parcels:
        if one.row.requested and one.row.key is not None:
            keys.setdefault(one.row.key, []).append(one)
    ordered = {key: iter(sorted(of_key, key=_version)) for key, of_key in keys.items()}
    return [next(ordered[one.row.key]) if one.row.key in ordered else one for one in parcels]


def _version(parcel: Parcel) -> tuple[int, int]:
    return (0 if parcel.event is None else parcel.event.event.aggregate_version), parcel.row.offset
