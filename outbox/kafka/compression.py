"""What a batch's records are compressed with: all that Kafka knows, by one library.

Other producers compress, and a topic's `compression.type` makes its broker compress what came plain.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import cramjam

# Java, and brokers, frame snappy's blocks: sixteen bytes, then each block behind its length. librdkafka does not.
_FRAMED = b"\x82SNAPPY\x00"
_FRAME_BYTES = 16
_LENGTH = struct.Struct(">i")

MAX_UNPACKED_BYTES = (
    64 * 1024 * 1024
)  # no producer gathers such a batch; a megabyte of zeros can become thirty gigabytes
LEAST_BYTES, LIKELY_RATIO, GROWTH = 64 * 1024, 16, 8


def decompress(codec: int, body: bytes) -> bytes:
    """The records of a batch whose attributes name `codec`. Raises whatever `body` makes the library raise, and
    `ValueError` for a few bytes that would become more than `MAX_UNPACKED_BYTES`.
    """
    if codec == 0:
        return body
    if codec not in DECODERS:
        raise ValueError(f"it is compressed by codec {codec}, which is none of {sorted(DECODERS)}")
    return DECODERS[codec](body)


def _within(into: Callable[[bytes, bytearray], int]) -> Callable[[bytes], bytes]:
    """By a function that fills a buffer: of a size that nearly always does, then of larger ones."""

    def unpack(body: bytes) -> bytes:
        size = min(max(LEAST_BYTES, LIKELY_RATIO * len(body)), MAX_UNPACKED_BYTES)
        while True:
            buffer = bytearray(size)
            try:
                written = into(body, buffer)
            except (
                cramjam.DecompressionError
            ) as error:  # too small, or no bytes of this codec: it says so in words only
                if size == MAX_UNPACKED_BYTES:
                    raise ValueError(
                        f"it is broken or unpacks to more than {MAX_UNPACKED_BYTES} bytes: {error}"
                    ) from error
                size = min(GROWTH * size, MAX_UNPACKED_BYTES)
            else:
                return bytes(memoryview(buffer)[:written])

    return unpack


def _snappy(body: bytes) -> bytes:
    blocks = [body] if not body.startswith(_FRAMED) else _framed(body)
    size = sum(cramjam.snappy.decompress_raw_len(block) for block in blocks)
    if size > MAX_UNPACKED_BYTES:
        raise ValueError(f"it unpacks to {size} bytes, and {MAX_UNPACKED_BYTES} fit")
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _framed(body: bytes) -> list[bytes]:
    blocks, at = [], _FRAME_BYTES
    while at < len(body):
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        if not 0 <= length <= len(body) - at:  # one below 0 would lead back to where we were, for ever
            raise ValueError(f"a block of snappy has the length {length}")
        blocks.append(body[at : at + length])
        at += length
    return blocks


DECODERS: Mapping[int, Callable[[bytes], bytes]] = {
    1: _within(cramjam.gzip.decompress_into),
    2: _snappy,
    3: _within(cramjam.lz4.decompress_into),
    4: _within(cramjam.zstd.decompress_into),
}
