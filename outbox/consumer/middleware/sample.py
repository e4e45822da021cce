"""Which events are kept when not all can be handled in time? Pure: the same events by every member, and at a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from zlib import crc32

from outbox.consumer.middleware.expiry import made_at
from outbox.consumer.middleware.versions import key_of
from outbox.event import Event, ReceivedEvent
from outbox.policy import FlowPolicy

_HASHES = 1 << 32


@dataclass(frozen=True, slots=True)
class Sample:
    """While a batch has waited for longer than `above_s` seconds, the share `keep` is kept, of keys or of events.

    A partition is read in order: what a batch holds is the oldest that waits. `clause` is cited for the others.
    """

    keep: float
    above_s: float
    by_key: bool
    clause: str

    @classmethod
    def of(cls, policy: FlowPolicy) -> Sample | None:
        """What a flow's policy says of it; None where all are handled."""
        said = policy.sampling
        return None if said is None else cls(said.keep, said.above_s, said.by_key, policy.clause("sampling.keep"))

    def needed(self, events: Sequence[ReceivedEvent], now: float) -> bool:
        """Whether its median event has waited for too long: one producer with a slow clock does not decide for all.

        Events whose id tells no time are of no age.
        """
        made = [at for one in events if (at := made_at(one.event)) is not None]
        return bool(made) and now - median_low(made) > self.above_s

    def keeps(self, event: Event) -> bool:
        """By the hash of its key, so that a key is kept with all its events; or of its id."""
        name = key_of(event) if self.by_key else event.id.bytes
        return crc32(name) < self.keep * _HASHES
