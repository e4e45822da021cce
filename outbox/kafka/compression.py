"""What a batch's records are compressed with: all that Kafka knows, by one library.

Other producers compress, and a topic's `compression.type` makes its broker compress what came plain.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Mapping

import cramjam

# Java, and brokers, frame snappy's blocks: sixteen bytes, then each block behind its length. librdkafka does not.
_FRAMED = b"\x82SNAPPY\x00"
_FRAME_BYTES = 16
_LENGTH = struct.Struct(">i")


def decompress(codec: int, body: bytes) -> bytes:
    """The records of a batch whose attributes name `codec`. Raises whatever `body` makes the library raise."""
    if codec == 0:
        return body
    if codec not in DECODERS:
        raise ValueError(f"it is compressed by codec {codec}, which is none of {sorted(DECODERS)}")
    return DECODERS[codec](body)


def _snappy(body: bytes) -> bytes:
    if not body.startswith(_FRAMED):
        return bytes(cramjam.snappy.decompress_raw(body))
    blocks, at = [], _FRAME_BYTES
    while at < len(body):
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        if not 0 <= length <= len(body) - at:  # one below 0 would lead back to where we were, for ever
            raise ValueError(f"a block of snappy has the length {length}")
        blocks.append(bytes(cramjam.snappy.decompress_raw(body[at : at + length])))
        at += length
    return b"".join(blocks)


DECODERS: Mapping[int, Callable[[bytes], bytes]] = {
    1: gzip.decompress,
    2: _snappy,
    3: lambda body: bytes(cramjam.lz4.decompress(body)),
    4: lambda body: bytes(cramjam.zstd.decompress(body)),
}
