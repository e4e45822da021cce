"""How much blocking work goes on at once, in order of key, beside Pyrallel-Consumer?"""

from __future__ import annotations

import secrets
import time

from benchmarks.consuming import Feed, consume, median_of_rounds
from benchmarks.peers.run import peer
from benchmarks.question import Answer
from outbox import Disposition, InParallel, ReceivedEvent
from strangler.local import Stack

EVENTS = 40_000
PEER_EVENTS = 10_000
IN_TURN_EVENTS = 1_000
KEYS = 100
WORK_MS = 5


def measure(stack: Stack) -> Answer:
    """100 keys of 5 ms work each: 20,000/s is the ceiling. `in_turn` is the same work in a plain loop."""
    feed, few = Feed.filled(stack, EVENTS, KEYS), Feed.filled(stack, PEER_EVENTS, KEYS)
    how = InParallel(work, hands=KEYS)
    ours, in_turn = median_of_rounds([lambda: consume(feed, how), one_after_another])
    group = f"pyrallel-{secrets.token_hex(3)}"
    framework = peer("pyrallel", few.bootstrap, few.topic, group, str(few.events), str(WORK_MS))
    peers = {"pyrallel": framework, "in_turn": in_turn}
    settings = {**feed.settings(), "peer_events": PEER_EVENTS, "work_ms": WORK_MS}
    return Answer("consumer_parallel", "events/s", ours, peers, settings)


def work(_event: ReceivedEvent) -> Disposition:
    time.sleep(WORK_MS / 1000)
    return Disposition.APPLIED


def one_after_another() -> float:
    """Events per second of the work alone."""
    begun = time.monotonic()
    for _ in range(IN_TURN_EVENTS):
        time.sleep(WORK_MS / 1000)
    return IN_TURN_EVENTS / (time.monotonic() - begun)
