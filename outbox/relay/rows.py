"""Rows of the outbox table as the WAL shows them, turned into Kafka records. Pure."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple, TypeAlias, TypeGuard

from outbox.errors import ConfigurationError, Undecodable
from outbox.event import SourcePosition
from outbox.kafka.codec import Headers, headers_of
from outbox.relay.messages import UNCHANGED, Cells, Insert, Relation

SCHEMA, TABLE = "outbox", "outbox"
COLUMNS = (
    "id",
    "aggregatetype",
    "aggregateid",
    "aggregate_version",
    "type",
    "payload",
    "context",
    "traceparent",
    "partition_key",
)
FIXED_BYTES = 400  # id, version, position, the headers' names and what Kafka adds to a record, rounded up
Row: TypeAlias = "tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes | None, bytes | None]"


class Outgoing(NamedTuple):
    """A record to be sent. `size_bytes` is an upper bound of its size on the wire."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers
    size_bytes: int


class OutboxRows:
    """Knows the table's relation messages, which come before its rows; other tables are not ours."""

    def __init__(self, *, topic_prefix: str, source: str) -> None:
        self._topic_prefix, self._source = topic_prefix, source
        self._pickers: dict[int, Callable[[Cells], Cells]] = {}
        self._topics: dict[bytes, str] = {}

    def learn(self, relation: Relation) -> None:
        """Remember where the columns stand; a table that lost one of them is refused."""
        if (relation.schema, relation.name) != (SCHEMA, TABLE):
            self._pickers.pop(relation.id, None)
            return
        places = {name: index for index, name in enumerate(relation.columns)}
        missing = [name for name in COLUMNS if name not in places]
        if missing:
            raise ConfigurationError(f"the WAL shows outbox.outbox without {', '.join(missing)}; run: outbox migrate")
        self._pickers[relation.id] = itemgetter(*(places[name] for name in COLUMNS))

    def record(self, insert: Insert, commit_lsn: int, ordinal: int) -> Outgoing | None:
        """The record of an inserted row, None for another table's."""
        pick = self._pickers.get(insert.relation_id)
        if pick is None:
            return None
        cells = pick(insert.new)
        if not _is_row(cells):
            raise Undecodable("a row of outbox.outbox has no value in a column that is never null")
        event_id, kind, aggregate_id, version, event_type, payload, context, traceparent, partition_key = cells
        value = bytes.fromhex(payload[2:].decode())  # bytea as text: \x and two digits a byte
        key = aggregate_id if partition_key is None else partition_key
        headers = headers_of(
            event_id=event_id,
            event_type=event_type,
            version=version,
            traceparent=traceparent,
            context=context,
            position=SourcePosition(self._source, commit_lsn, ordinal),
            aggregate_id=None if partition_key is None else aggregate_id,
        )
        size = len(value) + len(key) + len(aggregate_id) + len(event_type) + len(context) + len(traceparent or b"")
        return Outgoing(self._topic(kind), key, value, headers, size + FIXED_BYTES)

    def _topic(self, kind: bytes) -> str:
        topic = self._topics.get(kind)
        if topic is None:
            topic = self._topics[kind] = self._topic_prefix + kind.decode()
        return topic


def _is_row(cells: Cells) -> TypeGuard[Row]:
    return UNCHANGED not in cells and None not in cells[:7]
