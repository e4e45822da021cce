"""Which events are kept when not all can be handled in time? Pure: the same events by every member, and at a replay."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low
from zlib import crc32

from outbox.consumer.middleware.expiry import made_at
from outbox.consumer.middleware.versions import key_of
from outbox.event import Event, ReceivedEvent
from outbox.policy import Sampling

_HASHES = 1 << 32


def needed(sample: Sampling, events: Sequence[ReceivedEvent], now: float) -> bool:
    """Whether a batch's median event has waited for longer than `above_s`: one slow clock does not decide for all.

    A partition is read in order: what a batch holds is the oldest that waits. Events whose id tells no time are of no
    age.
    """
    made = [at for one in events if (at := made_at(one.event)) is not None]
    return bool(made) and now - median_low(made) > sample.above_s


def keeps(sample: Sampling, event: Event) -> bool:
    """By the hash of its key, so that a key is kept with all its events; or of its id."""
    name = key_of(event) if sample.by_key else event.id.bytes
    return crc32(name) < sample.keep * _HASHES
