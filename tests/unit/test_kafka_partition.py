"""The partition of a key against the vectors of Kafka's own UtilsTest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.kafka.partition import partition_of

# org.apache.kafka.common.utils.UtilsTest.testMurmur2: signed 32-bit numbers.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), JAVA.items())
def test_java_chooses_alike(key: bytes, signed: int) -> None:
    assert partition_of(key, 2**31) == signed % 2**31


@given(st.binary(max_size=64), st.integers(1, 1000))
def test_a_key_has_one_partition_of_those_there_are(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) in range(partitions)
