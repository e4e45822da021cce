"""kafka-python's fetched batches, read by `outbox.kafka.record_batch` instead of its own loop.

A record with five headers took it 12 us and takes 5 us so; the client keeps fetching, sessions, checksums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.abc import ABCRecords
from kafka.structs import TopicPartition as ClientPartition

from outbox.kafka.port import Record
from outbox.kafka.record_batch import decode_records

FORMAT = 2
SET_BY_BROKER = 1


def read_quickly(client: KafkaConsumer) -> None:
    """From now `poll` of this client gives our `Record`s. It must read committed and have no deserializers."""
    client._fetcher.PartitionRecords = QuickRecords


class QuickRecords(Fetcher.PartitionRecords):  # type: ignore[misc] # kafka-python has no types
    """What one fetch brought of one partition."""

    def _unpack_records(self, tp: ClientPartition, records: ABCRecords, *_deserializers: object) -> Iterator[Record]:
        """Raises kafka-python's `CorruptRecordError`."""
        while (batch := records.next_batch()) is not None:
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"a batch of {tp.topic}/{tp.partition} fails its checksum")
            if batch.magic != FORMAT:
                raise CorruptRecordError(f"{tp.topic}/{tp.partition} has a batch of format {batch.magic}, not {FORMAT}")
            self.leader_epoch = batch.leader_epoch
            if not (self._is_taken_back(batch) or batch.is_control_batch):
                for record in _records(batch, tp):
                    self.next_fetch_offset = record.offset + 1
                    yield record
            self.bytes_read += batch.size_in_bytes
            # Beyond the last record when compaction took it, or when the batch is a transaction's marker.
            self.next_fetch_offset = batch.next_offset
        self.drain()

    def _is_taken_back(self, batch: Any) -> bool:
        """Whether its transaction was aborted; the broker names each such one by producer and first offset. Batches
        come in the order of the log, so a producer's transaction ends at its marker.
        """
        if not batch.has_producer_id():
            return False
        self._consume_aborted_transactions_up_to(batch.last_offset)
        if self._contains_abort_marker(batch):
            self.aborted_producer_ids.discard(batch.producer_id)
            return True
        return bool(self._is_batch_aborted(batch))


def _records(batch: Any, tp: ClientPartition) -> list[Record]:
    iter(batch)  # decompresses
    try:
        return decode_records(
            bytes(memoryview(batch._buffer)[batch._pos :]),
            batch.records_count,
            tp.topic,
            tp.partition,
            base_offset=batch.base_offset,
            base_ms=batch.first_timestamp,
            fixed_ms=batch.max_timestamp if batch.timestamp_type == SET_BY_BROKER else None,
        )
    except ValueError as error:
        raise CorruptRecordError(f"the batch at {tp.topic}/{tp.partition}@{batch.base_offset}: {error}") from error
