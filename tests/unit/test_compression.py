"""What a batch is compressed with: read whole, refused where it is broken or would become too much."""

from __future__ import annotations

import struct
from collections.abc import Callable

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.kafka.compression import MAX_UNPACKED_BYTES, decompress


def framed(body: bytes) -> bytes:
    """As Java writes snappy: blocks behind their lengths."""
    blocks = [bytes(cramjam.snappy.compress_raw(body[at : at + 32_768])) for at in range(0, len(body), 32_768)]
    return b"\x82SNAPPY\x00" + bytes(8) + b"".join(struct.pack(">i", len(one)) + one for one in blocks)


Codec = tuple[int, Callable[[bytes], bytes]]
CODECS: dict[str, Codec] = {
    "gzip": (1, lambda body: bytes(cramjam.gzip.compress(body))),
    "snappy": (2, lambda body: bytes(cramjam.snappy.compress_raw(body))),
    "framed snappy": (2, framed),
    "lz4": (3, lambda body: bytes(cramjam.lz4.compress(body))),
    "zstd": (4, lambda body: bytes(cramjam.zstd.compress(body))),
}
EACH = pytest.mark.parametrize("codec", list(CODECS.values()), ids=list(CODECS))


@EACH
@given(body=st.binary(max_size=2_000), times=st.integers(1, 300))
def test_what_was_packed_is_unpacked(codec: Codec, body: bytes, times: int) -> None:
    number, pack = codec
    assert decompress(number, pack(body * times)) == body * times


@EACH
@pytest.mark.parametrize("size", [1_000_000, MAX_UNPACKED_BYTES], ids=["a megabyte", "the most"])
def test_few_bytes_may_become_many(codec: Codec, size: int) -> None:
    number, pack = codec
    assert len(decompress(number, pack(bytes(size)))) == size


@EACH
def test_few_bytes_do_not_become_more_than_fit(codec: Codec) -> None:
    number, pack = codec
    with pytest.raises(ValueError, match=str(MAX_UNPACKED_BYTES)):
        decompress(number, pack(bytes(MAX_UNPACKED_BYTES + 1)))


@EACH
def test_what_is_cut_off_is_refused(codec: Codec) -> None:
    number, pack = codec
    packed = pack(b"one event after the other " * 100)
    for cut in (1, len(packed) // 2):
        with pytest.raises((ValueError, cramjam.DecompressionError, struct.error)):
            decompress(number, packed[:-cut])
