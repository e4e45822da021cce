"""The rules that policies must keep where they run, and beside each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from outbox.policy.flow import Policy
from outbox.policy.rule import Rule
from outbox.policy.values import Expired, Loss, ServiceClass
from outbox.terms import check_terms

MEMBER_BYTES = 512 * 1024 * 1024  # the most that one member's queues may hold when it has every partition
GIVEN_UP_BEFORE = {ServiceClass.BULK: 0, ServiceClass.STANDARD: 1, ServiceClass.CRITICAL: 2}


@dataclass(frozen=True, slots=True)
class Placed:
    """A policy where it runs: `name` is its context's; topics are domains. `pool`: whose threads and connections.

    `retention_s`: how long the topics keep an event; `partitions` of all topics that are read.
    """

    name: str
    policy: Policy
    group: str
    pool: str
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    partitions: int = 1
    retention_s: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        check_terms(self)

    def feeds(self, other: Placed) -> bool:
        """Its events are the other's work."""
        return self is not other and bool(set(self.writes) & set(other.reads))

    def gives_way_to(self, other: Placed) -> bool:
        """While the other is under pressure it takes its own policy's `floor_per_s`."""
        return self.feeds(other) and self.policy.gives_way_to(other.policy)


def _above(one: Placed, other: Placed) -> bool:
    return one.policy.critical and not other.policy.critical


def _given_up(one: Placed) -> int:
    return one.policy.degrade_order or 0


PLACE_RULES: tuple[Rule[Placed], ...] = (
    Rule(
        "other_name",
        lambda one: one.policy.flow != one.name,
        "context {one.name!r} runs the policy of flow {one.policy.flow!r}",
        "name the flow after its context",
    ),
    Rule(
        "deadline_beyond_retention",
        lambda one: one.policy.deadline_s >= one.retention_s,
        "its deadline of {one.policy.deadline_s} s is beyond the {one.retention_s} s that its topics keep an event",
        "shorten deadline_s or keep the topics longer",
    ),
    Rule(
        "deferred_beyond_retention",
        lambda one: one.policy.expired is Expired.DEFER and 2 * one.policy.deadline_s >= one.retention_s,
        "what it defers after {one.policy.deadline_s} s may be gone before it is read again",
        "keep its topics for more than twice its deadline",
    ),
    Rule(
        "memory",
        lambda one: one.policy.queue_bytes * one.partitions > MEMBER_BYTES,
        "{one.policy.queue_bytes} bytes for each of {one.partitions} partitions do not fit into one member",
        f"lower queue_bytes: {MEMBER_BYTES} bytes are the most in all",
    ),
)

# Asked of every two flows, in both directions.
PAIR_RULES: tuple[Rule[Placed, Placed], ...] = (
    Rule(
        "same_flow",
        lambda one, other: one.policy.flow == other.policy.flow,
        "both are flow {one.policy.flow!r}",
        "give each its own policy",
    ),
    Rule(
        "shared_group",
        lambda one, other: _above(one, other) and one.group == other.group,
        "critical {one.name} shares consumer group {one.group!r} with {other.name}",
        "give each its own group",
    ),
    Rule(
        "shared_pool",
        lambda one, other: _above(one, other) and one.pool == other.pool,
        "critical {one.name} shares pool {one.pool!r} with {other.name}",
        "run them in processes of their own",
    ),
    Rule(
        "shared_topic",
        lambda one, other: _above(one, other) and bool(set(one.writes) & set(other.writes)),
        "critical {one.name} writes into a topic that {other.name} also writes",
        "give each domain its own topic",
    ),
    Rule(
        "waits_for_lower_class",
        lambda one, other: _above(one, other) and other.feeds(one),
        "critical {one.name} waits for {other.name}, which is {other.policy.service_class.value}",
        "raise the class of what feeds it, or lower its own",
    ),
    Rule(
        "degrade_clash",
        lambda one, other: one.policy.degrade_order is not None and _given_up(one) == _given_up(other),
        "both have degrade_order {one.policy.degrade_order}",
        "say which is given up first",
    ),
    Rule(
        "degrade_inverted",
        lambda one, other: (
            0 < _given_up(one) < _given_up(other)
            and GIVEN_UP_BEFORE[one.policy.service_class] > GIVEN_UP_BEFORE[other.policy.service_class]
        ),
        "{one.name} ({one.policy.service_class.value}) is given up before {other.name} "
        "({other.policy.service_class.value})",
        "give up bulk first, critical last",
    ),
    Rule(
        "deadline_inverted",
        lambda one, other: one.feeds(other) and one.policy.deadline_s > other.policy.deadline_s,
        "{one.name} may take {one.policy.deadline_s} s, {other.name} behind it promises {other.policy.deadline_s} s",
        "let deadlines grow along the chain",
    ),
    Rule(
        "fed_by_lossy",
        lambda one, other: one.feeds(other) and one.policy.loss is Loss.LOSSY and other.policy.loss is not Loss.LOSSY,
        "{other.name} is {other.policy.loss.value} and lives on {one.name}, which is lossy",
        "make the upstream lossless, or the downstream lossy",
    ),
    Rule(
        "order_lost_upstream",
        lambda one, other: (
            one.feeds(other) and one.policy.ordering_scope == "none" and other.policy.ordering_scope != "none"
        ),
        '{other.name} keeps order within "{other.policy.ordering_scope}", and {one.name} before it keeps none',
        "give the upstream the same ordering_scope",
    ),
    Rule(
        "replay_stops_upstream",
        lambda one, other: one.feeds(other) and other.policy.replayable and not one.policy.replayable,
        "{other.name} is replayable, and {one.name}, which its events come from, is not",
        "make the upstream replayable too",
    ),
)


def circles(placed: Sequence[Placed]) -> Iterator[tuple[Placed, ...]]:
    """Flows that feed each other, each circle once, in the order of feeding.

    Who reads what it writes itself is none: a step of the middle is told there what legacy got.
    """
    feeds = {index: [other for other, two in enumerate(placed) if one.feeds(two)] for index, one in enumerate(placed)}
    found: set[frozenset[int]] = set()
    for start in feeds:
        path = _back_to(start, feeds)
        if path and frozenset(path) not in found:
            found.add(frozenset(path))
            yield tuple(placed[index] for index in path)


def _back_to(start: int, feeds: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    """The shortest way from a flow to itself; empty where there is none."""
    ways, seen = deque[tuple[int, ...]]([(start,)]), set[int]()
    while ways:
        way = ways.popleft()
        for other in feeds[way[-1]]:
            if other == start:
                return way
            if other not in seen:
                seen.add(other)
                ways.append((*way, other))
    return ()


def _closed(circle: Sequence[Placed]) -> bool:
    return all(one.feeds(other) for one, other in pairwise((*circle, circle[0])))


# Asked of the flows of a circle, in the order in which they feed each other.
CIRCLE_RULES: tuple[Rule[Sequence[Placed]], ...] = (
    Rule(
        "fed_in_a_circle",
        _closed,
        "what {names} does is work for it again, without end",
        "let nobody read what is written by whom it feeds, also by way of others",
    ),
)
