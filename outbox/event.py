"""The event: what a producer appends and what a consumer receives."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from outbox.errors import Undecodable
from outbox.structured import Item


@dataclass(frozen=True, slots=True, init=False)
class Event:
    """One fact about one aggregate.

    `aggregate_version` counts 1, 2, 3 per aggregate and is taken under the aggregate's lock. `payload` is the
    Kafka value, byte for byte; a mapping is written as JSON at once, and `TypeError` says what JSON cannot hold.
    `context` becomes one RFC 9651 dictionary header (ownership, epoch, tenant, class, deadline). `partition_key`
    overrides `aggregate_id` as the Kafka key. `id` is a new UUIDv7, which tells the time, unless given.

    >>> made = Event("invoice", "invoice-7", 1, "InvoiceMade", {"day": "2026-03-01", "cents": 1999})
    >>> made.payload, made.json()["cents"]
    (b'{"day":"2026-03-01","cents":1999}', 1999)
    """

    aggregate_type: str
    aggregate_id: str
    aggregate_version: int
    type: str
    payload: bytes
    context: Mapping[str, Item]
    traceparent: str | None
    partition_key: str | None
    id: UUID

    def __init__(  # noqa: PLR0917 - its fields, as a dataclass takes them
        self,
        aggregate_type: str,
        aggregate_id: str,
        aggregate_version: int,
        type: str,  # noqa: A002 - the field's name
        payload: bytes | Mapping[str, object],
        context: Mapping[str, Item] | None = None,
        traceparent: str | None = None,
        partition_key: str | None = None,
        id: UUID | None = None,  # noqa: A002 - the field's name
    ) -> None:
        put = object.__setattr__
        put(self, "aggregate_type", aggregate_type)
        put(self, "aggregate_id", aggregate_id)
        put(self, "aggregate_version", aggregate_version)
        put(self, "type", type)
        put(self, "payload", payload if isinstance(payload, bytes) else _json(payload))
        put(self, "context", {} if context is None else context)
        put(self, "traceparent", traceparent)
        put(self, "partition_key", partition_key)
        put(self, "id", uuid7() if id is None else id)

    def json(self) -> Any:
        """The payload, read as JSON anew each time. `NotJson` if it is none; it holds the event, not the payload.

        Raised out of a handler, `NotJson` parks the event: no repeat would make it JSON.
        """
        try:
            return json.loads(self.payload)
        except ValueError as error:  # bytes that are no UTF-8 too
            raise NotJson(self) from error


class NotJson(Undecodable):
    """The payload of `event` is no JSON."""

    def __init__(self, event: Event) -> None:
        super().__init__(f"the payload of event {event.id} ({event.type}, {len(event.payload)} bytes) is no JSON")
        self.event = event


def _json(payload: Mapping[str, object]) -> bytes:
    return json.dumps(dict(payload), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


LSN_BITS, ORDINAL_BITS = 63, 31  # as positions are stored


class SourcePosition(NamedTuple):
    """Where in a source's WAL an event was committed: stable across relay restarts and duplicates.

    `lsn` is the LSN of the commit record (known before the transaction's first row, so nothing need be held back),
    `ordinal` counts the event within its transaction from 0. Below a confirmed end LSN means: confirmed.
    """

    source: str
    lsn: int
    ordinal: int

    def __str__(self) -> str:
        return f"{self.source}:{self.lsn:X}:{self.ordinal}"

    @classmethod
    def parse(cls, text: str) -> SourcePosition:
        """Read what `str()` wrote; `ValueError` if it did not, or if it is nothing that a database can be at."""
        source, lsn, ordinal = text.rsplit(":", 2)
        if not ((lsn + ordinal).isascii() and lsn.isalnum() and ordinal.isdigit()):  # int takes more
            raise ValueError("an LSN and an ordinal are digits alone")
        found = cls(source, int(lsn, 16), int(ordinal))
        if "\0" in source or found.lsn >> LSN_BITS or found.ordinal >> ORDINAL_BITS:
            raise ValueError("a source's name holds no NUL, an LSN has 63 bits and an ordinal 31, neither a sign")
        return found


class ReceivedEvent(NamedTuple):
    """An event as a consumer sees it, with its place in the topic and, from our relay, in the source."""

    event: Event
    topic: str
    partition: int
    offset: int
    position: SourcePosition | None


def uuid7(now_ms: int | None = None) -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then 74 random bits.

    >>> uuid7(0).hex[:12], uuid7().version
    ('000000000000', 7)
    """
    milliseconds = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 7 << 76
    return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)
