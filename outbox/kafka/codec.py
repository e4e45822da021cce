"""An event as a Kafka record and back. Headers are few: each costs the client 0.8 us to write and 0.6 us to read."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias
from uuid import UUID

from outbox.errors import Undecodable
from outbox.event import Event, ReceivedEvent, SourcePosition
from outbox.kafka.headers import RawHeaders
from outbox.kafka.own_events import UUID_DIGITS, last_segment, own_event, whole
from outbox.kafka.port import Record
from outbox.structured import Item, format_dictionary, parse_dictionary

# A list, because kafka-python takes nothing else.
Headers: TypeAlias = "list[tuple[str, bytes]]"


def to_headers(event: Event, position: SourcePosition | None) -> Headers:
    """The headers of an event: id, type, version, and what there is of traceparent, context, position.

    `aggregateid` is added only when `partition_key` takes its place as the key.
    """
    own_key = event.partition_key is not None
    return headers_of(
        event_id=str(event.id).encode(),
        event_type=event.type.encode(),
        version=str(event.aggregate_version).encode(),
        traceparent=None if event.traceparent is None else event.traceparent.encode(),
        context=format_dictionary(event.context).encode(),
        position=position,
        aggregate_id=event.aggregate_id.encode() if own_key else None,
    )


def headers_of(
    *,
    event_id: bytes,
    event_type: bytes,
    version: bytes,
    traceparent: bytes | None,
    context: bytes,
    position: SourcePosition | None,
    aggregate_id: bytes | None,
) -> Headers:
    """The same from texts that are bytes already, as the WAL has them."""
    headers = [("id", event_id), ("type", event_type), ("version", version)]
    if traceparent is not None:
        headers.append(("traceparent", traceparent))
    if context:
        headers.append(("context", context))
    if position is not None:
        headers.append(("position", str(position).encode()))
    if aggregate_id is not None:
        headers.append(("aggregateid", aggregate_id))
    return headers


def from_record(record: Record) -> ReceivedEvent:
    """Read a record; `Undecodable` says where and why, never what was in it.

    The aggregate type is the topic's last segment. Headers that are not ours are ignored, a
    null one counts as absent.
    """
    headers = record.headers
    own = own_event(record, headers.raw) if type(headers) is RawHeaders else None
    return header_by_header(record) if own is None else own


def header_by_header(record: Record) -> ReceivedEvent:
    """The same, whatever the headers' order and number."""
    try:
        headers = dict(record.headers)
        position = headers.get("position")
        return ReceivedEvent(
            _event(record, headers),
            record.topic,
            record.partition,
            record.offset,
            None if position is None else SourcePosition.parse(position.decode()),
        )
    except _NoEvent as error:
        raise _undecodable(record, str(error)) from error
    except KeyError as error:
        raise _undecodable(record, f"it has no header {error}") from error
    except (AttributeError, TypeError) as error:
        raise _undecodable(record, "a header has no value") from error
    except UnicodeDecodeError as error:
        raise _undecodable(record, "its key or a header is not UTF-8") from error
    except (ValueError, Undecodable) as error:
        raise _undecodable(record, f"a header cannot be read ({type(error).__name__})") from error


class _NoEvent(Exception):
    """Why, in words that hold nothing of the record but its numbers."""


def _event(record: Record, headers: Mapping[str, bytes]) -> Event:
    if record.key is None or record.value is None:
        raise _NoEvent("it has no key or no value")
    key = record.key.decode()
    aggregate_id, context, trace = headers.get("aggregateid"), headers.get("context"), headers.get("traceparent")
    version = whole(headers["version"])
    if version < 1:
        raise _NoEvent(f"its version is {version}, below 1")
    return Event(
        last_segment(record.topic),
        key if aggregate_id is None else aggregate_id.decode(),
        version,
        headers["type"].decode(),
        record.value,
        {} if context is None else dict(_context(context)),
        None if trace is None else trace.decode(),
        None if aggregate_id is None else key,
        _uuid(headers["id"]),
    )


@lru_cache(maxsize=1024)
def _context(text: bytes) -> Mapping[str, Item]:
    """The events of an epoch share their context; parsing it costs more than the rest of an event."""
    return parse_dictionary(text.decode())


def _uuid(text: bytes) -> UUID:
    """As our relay writes it, nothing else that `UUID` would take."""
    digits = text.replace(b"-", b"")
    if len(digits) != UUID_DIGITS:
        raise ValueError(f"an id has {UUID_DIGITS} digits, not {len(digits)}")
    return UUID(bytes=unhexlify(digits))


def _undecodable(record: Record, why: str) -> Undecodable:
    return Undecodable(f"record {record.topic}/{record.partition}@{record.offset} is not an event: {why}")
