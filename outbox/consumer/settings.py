"""Settings of a consumer runtime, and the names under which it counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

from outbox.catalogue import Sample
from outbox.consumer.partitions.bounds import Bound
from outbox.consumer.partitions.starting import Start, checked
from outbox.consumer.partitions.watchdog import Patience
from outbox.consumer.retry.breaker import BreakerRule
from outbox.consumer.retry.flood import FloodRule
from outbox.errors import ConfigurationError
from outbox.policy import Policy, Retry, Versions, require_runnable
from outbox.terms import check_terms

MOST_LANES = 10_000  # a row of each is kept for every partition


class Metric(StrEnum):
    """What `observe` is called with; the labels are in brackets."""

    DISPOSITION = "consumer_disposition"  # [disposition]
    PARKED = "consumer_parked"  # [cause]
    RETRY = "consumer_retry"  # [error, trouble]
    PUT_OFF = "consumer_put_off"  # [clause]
    EXPIRED = "consumer_expired"  # [clause]
    SHED = "consumer_shed"  # [clause]
    FLOODED = "consumer_flooded"  # [topic]
    BREAKER = "consumer_breaker"  # [state]
    GAVE_WAY = "consumer_gave_way"  # [to]
    REPLAYED = "consumer_replayed"  # [topic]
    HELD_AGAIN = "consumer_held_again"  # [topic]
    KEPT = "consumer_kept"  # [topic]
    ASSIGNED = "consumer_assigned"  # [topic]
    REVOKED = "consumer_revoked"  # [topic]
    FENCED = "consumer_fenced"  # [topic]
    POSITION_LOST = "consumer_position_lost"  # [topic]
    UNREADABLE = "consumer_unreadable"  # [topic]
    SOURCE_BROKEN = "consumer_source_broken"  # [topic]
    PAUSED = "consumer_paused"  # [topic]
    RESUMED = "consumer_resumed"  # [topic]
    STALLED = "consumer_stalled"  # [remedy]
    TOPIC_MISSING = "consumer_topic_missing"  # [topic]
    SLOW = "consumer_slow"  # [topic]
    UNREACHABLE = "consumer_unreachable"  # [what]


class Observe(Protocol):
    """Counts. Called from several threads; what it raises is logged and otherwise ignored."""

    def __call__(self, name: str, value: int, **labels: str) -> None: ...


@runtime_checkable
class Measure(Protocol):
    """An observer that also measures, such as `outbox.metrics.Counters`: values of histograms, and gauges that a source
    tells when somebody asks, until what `source` returned is called.
    """

    def __call__(self, name: str, value: int, **labels: str) -> None: ...
    def time(self, name: str, seconds: Sequence[float], **labels: str) -> None: ...
    def source(self, read: Callable[[], Iterable[Sample]]) -> Callable[[], None]: ...


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """Times in seconds. `lanes` is stored with the positions: another count later is refused.

    `workers` is the number of handlers at work at once; `run_records` the most events that one transaction takes,
    `run_s` how long one should take: under a backlog runs grow up to either. `fetch_records`: the most that one poll
    hands over, so the most by which `bound` can be passed.
    `transaction_idle_s`: PostgreSQL ends a transaction that is open and idle for so long. It frees what a stopped
    process holds, so a handler must not pause longer between two statements.
    `start`: where a group begins that has never read a topic: at its first record, behind its last one ("latest"), or
    at the first that is not older than a time. What lies before is never handled.
    `broker_patience_s`: how long `run` waits for a broker that does not answer before it raises `DependencyDown`; it
    counts `Metric.UNREACHABLE` meanwhile.
    `floor_per_s`: events a second that are still taken, by each member, while others are given way to.
    `retry` and `versions` are the policy's own. What is put off waits `defer_s`, and longer each time; what deliveries
    earn and failures cost counts for `credit_s`.
    `patience`: when a partition that does not move is stuck. `slow_s`: how long a run is at work until that is told,
    and told again; its handler may hang.
    `drain_s`: how long handlers at work may take to end once `run` is to stop. Whatever hangs, a process ends within
    about 4 s more; what was not committed by then is handled by the next owner of the partition.
    `broken_s`: how often a partition that stands looks again: whose source broke, or whose log cannot be read; and how
    often a topic that is not there is said to be missing.
    """

    lanes: int = 8
    workers: int = 4
    run_records: int = 1_024
    run_s: float = 0.25
    fetch_records: int = 2_000
    bound: Bound = field(default_factory=Bound)
    patience: Patience = field(default_factory=Patience)
    slow_s: float = 5.0
    poll_s: float = 0.05
    sweep_s: float = 0.05
    commit_s: float = 1.0
    grace_s: float = 0.5
    drain_s: float = 5.0
    retry: Retry = field(default_factory=Retry)
    defer_s: float = 1.0
    credit_s: float = 10.0
    breaker: BreakerRule = field(default_factory=BreakerRule)
    flood: FloodRule = field(default_factory=FloodRule)
    versions: Versions | None = None
    reassign_s: float = 1.0
    broken_s: float = 30.0
    broker_patience_s: float = math.inf
    transaction_idle_s: float = 15.0
    floor_per_s: float = 1.0
    start: Start = "earliest"

    def __post_init__(self) -> None:
        counts = ("lanes", "workers", "run_records", "fetch_records")
        check_terms(
            self,
            above_zero=(
                *counts,
                "run_s",
                "poll_s",
                "defer_s",
                "credit_s",
                "reassign_s",
                "broken_s",
                "slow_s",
                "transaction_idle_s",
                "floor_per_s",
            ),
            from_zero=("sweep_s", "commit_s", "grace_s", "drain_s", "broker_patience_s"),
            endless=("run_s", "broker_patience_s"),
        )
        if self.lanes > MOST_LANES:
            raise ConfigurationError(f"RuntimeSettings.lanes is {self.lanes}; give 1 to {MOST_LANES:,}")
        require_runnable(self.retry, self.versions)
        checked(self.start)

    @classmethod
    def of(cls, policy: Policy, *, lanes: int | None = None, start: Start = "earliest") -> RuntimeSettings:
        """What a flow's policy says of queues, retries, quarantine and versions; `lanes` as by default where None."""
        chosen = cls(
            bound=Bound(policy.queue_bound, policy.queue_bytes),
            retry=policy.retry,
            flood=FloodRule(policy.quarantine.ratio, policy.quarantine.consecutive),
            versions=policy.versions,
            floor_per_s=policy.floor_per_s,
            start=start,
        )
        return chosen if lanes is None else replace(chosen, lanes=lanes)
