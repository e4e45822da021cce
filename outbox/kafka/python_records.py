"""kafka-python's fetched batches, read by `outbox.kafka.record_batch` instead of its own loop.

A record with five headers took it 12 us and takes 5 us so; the client keeps fetching, sessions, checksums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.record.abc import ABCRecords
from kafka.structs import TopicPartition as ClientPartition

from outbox.errors import Unreadable
from outbox.kafka.compression import decompress
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
        """Raises `Unreadable` at a batch that nothing can be made of, whatever the reason."""
        batch = None
        try:
            while (batch := records.next_batch()) is not None:
                yield from self._read(batch, tp)
        except Exception as error:  # bytes of anybody's: their partition stops, and no other
            raise _unreadable(tp, self.next_fetch_offset, batch, error) from error
        finally:
            self.drain()  # else the client asks this spent iterator again, without end and deaf to everything

    def _read(self, batch: Any, tp: ClientPartition) -> Iterator[Record]:
        if self.check_crcs and not batch.validate_crc():
            raise ValueError("it fails its checksum")
        if batch.magic != FORMAT:
            raise ValueError(f"it has format {batch.magic}, not {FORMAT}")
        self.leader_epoch = batch.leader_epoch
        if not (self._is_taken_back(batch) or batch.is_control_batch):
            for record in _records(batch, tp):
                self.next_fetch_offset = record.offset + 1
                yield record
        self.bytes_read += batch.size_in_bytes
        # Beyond the last record when compaction took it, or when the batch is a transaction's marker.
        self.next_fetch_offset = batch.next_offset

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
    return decode_records(
        decompress(batch.compression_type, bytes(memoryview(batch._buffer)[batch._pos :])),
        batch.records_count,
        tp.topic,
        tp.partition,
        base_offset=batch.base_offset,
        base_ms=batch.first_timestamp,
        fixed_ms=batch.max_timestamp if batch.timestamp_type == SET_BY_BROKER else None,
    )


def _unreadable(tp: ClientPartition, offset: int, batch: Any, error: Exception) -> Unreadable:
    known = batch is not None and batch.magic == FORMAT
    place = f"the batch of {batch.base_offset} to {batch.last_offset}" if known else "its batch"
    return Unreadable(tp.topic, tp.partition, offset, f"{place}: {type(error).__name__}: {error}")
