"""Somebody else's producer, which compresses. kafka-python asks for packages that this project does not need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import cramjam
from kafka import KafkaProducer, codec
from kafka.record import default_records

from outbox.kafka.python_network import Network

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
WITHIN_S = 30.0


@contextmanager
def compressing(bootstrap: str, name: str) -> Iterator[KafkaProducer]:
    """A producer whose batches are compressed so; all it was given is sent at the end."""
    with (
        patch.dict(KafkaProducer._COMPRESSORS, {name: (lambda: True, CODECS[name])}),
        patch.object(default_records.DefaultRecordBase, "_assert_has_codec", lambda *_: None),
        patch.object(codec, "has_snappy", lambda: True),
        patch.object(codec, "snappy", SimpleNamespace(compress=_bytes(cramjam.snappy.compress_raw))),
        patch.object(default_records, "lz4_encode", _lz4),
        patch.object(default_records, "zstd_encode", _bytes(cramjam.zstd.compress)),
    ):
        producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=name, kafka_client=Network)
        try:
            yield producer
            producer.flush(WITHIN_S)
        finally:
            producer.close(WITHIN_S)


def _bytes(compress: Callable[[bytes], object]) -> Callable[[bytes], bytes]:
    return lambda data: bytes(compress(bytes(data)))  # type: ignore[call-overload] # a buffer


def _lz4(data: bytes) -> bytes:
    compressor = cramjam.lz4.Compressor(block_linked=False)  # Kafka takes no other blocks
    compressor.compress(bytes(data))
    return bytes(compressor.finish())
