"""The rules that one policy must keep: name, what breaks it, what to say, and the fix. Data, judged all at once."""

from __future__ import annotations

import math
import re

from outbox.policy.failure_rules import FAILURE
from outbox.policy.flow import Policy
from outbox.policy.mode_rules import MODES
from outbox.policy.rule import Rule
from outbox.policy.values import DuplicateImpact, Expired, Loss, OverBudget, ServiceClass
from outbox.told import in_words

LARGEST_RECORD_BYTES = 1024 * 1024  # what a broker takes by default
BULK_DEADLINE_S = 60.0


def _unordered(policy: Policy) -> bool:
    return policy.ordering_scope == "none"


def _queue_outlives_deadline(policy: Policy) -> bool:
    return policy.rate_per_s > 0 and policy.queue_bound / policy.rate_per_s > policy.deadline_s > 0


def _may_not_lose(policy: Policy) -> bool:
    return policy.loss is not Loss.LOSSY


def _leaves_holes(policy: Policy) -> bool:
    drops = policy.expired in (Expired.DROP, Expired.COMPENSATE) or policy.retry.over_budget is OverBudget.DROP
    return drops or policy.sampling is not None


NAMED: tuple[Rule[Policy], ...] = (
    Rule(
        "flow_name",
        lambda policy: re.fullmatch(r"[a-z][a-z0-9_]*", policy.flow) is None,
        "flow {policy.flow!r} cannot stand in a clause",
        "name it in lower case letters, digits and _",
    ),
    Rule(
        "deadline",
        lambda policy: not 0 < policy.deadline_s < math.inf,
        "deadline_s is {policy.deadline_s}",
        "give the seconds after which the work is late",
    ),
    Rule(
        "rate",
        lambda policy: not 0 < policy.rate_per_s < math.inf,
        "rate_per_s is {policy.rate_per_s}",
        "give the events that a healthy second works off",
    ),
    Rule(
        "floor",
        lambda policy: not 0 < policy.floor_per_s < math.inf,
        "floor_per_s is {policy.floor_per_s}: while what it feeds is under pressure it would stand, or not give way",
        "give the events a second that it always takes",
    ),
    Rule(
        "scope",
        lambda policy: not in_words(policy.ordering_scope),
        "it has no ordering_scope",
        'name what keeps its order, such as "order", or write "none"',
    ),
    Rule(
        "unit",
        lambda policy: not in_words(policy.throttling_unit),
        "it has no throttling_unit",
        "name what limits its rate, such as a vendor or the tenant",
    ),
)

QUEUE: tuple[Rule[Policy], ...] = (
    Rule(
        "queue_bound",
        lambda policy: policy.queue_bound < 1,
        "queue_bound is {policy.queue_bound}",
        "give 1 record or more",
    ),
    Rule(
        "queue_bytes",
        lambda policy: policy.queue_bytes < LARGEST_RECORD_BYTES,
        "queue_bytes is {policy.queue_bytes}, less than the largest record",
        f"give {LARGEST_RECORD_BYTES} or more",
    ),
    Rule(
        "queue_reason",
        lambda policy: not in_words(policy.queue_reason),
        "its queue bound has no queue_reason",
        "say why it is so long",
    ),
    Rule(
        "queue_outlives_deadline",
        _queue_outlives_deadline,
        "{policy.queue_bound} records at {policy.rate_per_s} a second wait longer than the deadline of "
        "{policy.deadline_s} s: the end of a full queue is always late",
        "lower queue_bound; the log keeps the rest",
    ),
)

LOSS: tuple[Rule[Policy], ...] = (
    Rule(
        "lossless_replayable",
        lambda policy: policy.loss is Loss.LOSSLESS and not policy.replayable,
        "it is lossless and not replayable",
        "make its handler safe to repeat and set replayable, or call it rejectable",
    ),
    Rule(
        "lossless_degraded",
        lambda policy: policy.loss is Loss.LOSSLESS and policy.degrade_order is not None,
        "it is lossless and has degrade_order {policy.degrade_order}",
        "set degrade_order to None: lossless work is never given up",
    ),
    Rule(
        "lossy_forever",
        lambda policy: policy.loss is Loss.LOSSY and not policy.replayable and not policy.rebuild,
        "it is lossy, not replayable, and has no rebuild: what it loses is never made up for",
        "set replayable, or name in rebuild the command that makes its state anew",
    ),
    Rule(
        "rebuild",
        lambda policy: not all(part.strip() for part in policy.rebuild),
        "rebuild is {policy.rebuild}",
        "give the words of a command, none of them blank",
    ),
    Rule(
        "degrade_order",
        lambda policy: policy.loss is not Loss.LOSSLESS and (policy.degrade_order or 0) < 1,
        "it is {policy.loss.value} and has degrade_order {policy.degrade_order}",
        "give its place in the order of giving up, from 1",
    ),
    Rule(
        "critical_lossy",
        lambda policy: policy.critical and policy.loss is Loss.LOSSY,
        "it is critical and lossy",
        "call it bulk, or lossless",
    ),
    Rule(
        "bulk_in_a_hurry",
        lambda policy: policy.service_class is ServiceClass.BULK and 0 < policy.deadline_s < BULK_DEADLINE_S,
        "it is bulk, which gives way to all, and promises {policy.deadline_s} s",
        f"give it {BULK_DEADLINE_S:.0f} s or more, or call it standard",
    ),
    Rule(
        "harmful_unguarded",
        lambda policy: policy.duplicate_impact is DuplicateImpact.HARMFUL and not in_words(policy.duplicate_guard),
        "its duplicates are harmful and it has no duplicate_guard",
        "name what refuses a second execution, such as the claim",
    ),
)

EXPIRY: tuple[Rule[Policy], ...] = (
    Rule(
        "expired_drop",
        lambda policy: policy.expired is Expired.DROP and _may_not_lose(policy),
        "it is {policy.loss.value} and drops what is expired",
        "run it late, defer it, compensate or escalate it; only a lossy flow may drop",
    ),
    Rule(
        "expired_escalated",
        lambda policy: policy.expired is Expired.ESCALATE and policy.loss is Loss.LOSSY,
        "it asks a person about expired work that may be lost",
        "drop it or run it late",
    ),
    Rule(
        "compensation",
        lambda policy: (
            bool(policy.compensation) if policy.expired is not Expired.COMPENSATE else not in_words(policy.compensation)
        ),
        "it has expired={policy.expired.value} and compensation {policy.compensation!r}",
        "name the compensating event exactly when expired work is compensated",
    ),
    Rule(
        "compensation_unordered",
        lambda policy: policy.expired is Expired.COMPENSATE and _unordered(policy),
        "it compensates, and nothing keeps the compensation behind what it takes back",
        "give it an ordering_scope",
    ),
)

SAMPLING: tuple[Rule[Policy], ...] = (
    Rule(
        "sample_lossless",
        lambda policy: policy.sampling is not None and _may_not_lose(policy),
        "it is {policy.loss.value} and samples",
        "remove sampling; only a lossy flow may lose events",
    ),
    Rule(
        "sample_share",
        lambda policy: policy.sampling is not None and not 0 < policy.sampling.keep < 1,
        "sampling.keep is {policy.sampling.keep}",
        "keep a share between 0 and 1",
    ),
    Rule(
        "sample_too_late",
        lambda policy: policy.sampling is not None and not 0 < policy.sampling.above_s < policy.deadline_s,
        "sampling.above_s is {policy.sampling.above_s} s, and after {policy.deadline_s} s all is late",
        "let it begin before the deadline",
    ),
    Rule(
        "sample_holes",
        lambda policy: policy.sampling is not None and not policy.sampling.by_key and not _unordered(policy),
        "it keeps order within {policy.ordering_scope!r} and samples single events: that leaves holes",
        "sample by key",
    ),
    Rule(
        "sample_forever",
        lambda policy: policy.sampling is not None and not policy.replayable,
        "it samples and cannot be replayed: what was left out can never be made up",
        "make it replayable, or do not sample",
    ),
)

VERSIONS: tuple[Rule[Policy], ...] = (
    Rule(
        "versions_wait",
        lambda policy: policy.versions is not None and not 0 < policy.versions.wait_s <= policy.deadline_s,
        "versions.wait_s is {policy.versions.wait_s}, and it is late after {policy.deadline_s} s",
        "wait for more than 0 s, and not beyond the deadline",
    ),
    Rule(
        "versions_unordered",
        lambda policy: policy.versions is not None and _unordered(policy),
        "it waits for missing versions and keeps no order",
        "name what keeps its order, or wait for no version",
    ),
    Rule(
        "versions_holes",
        lambda policy: policy.versions is not None and _leaves_holes(policy),
        "it waits for missing versions and leaves out events itself: those never come",
        "run, defer or escalate what is late, sample nothing and drop nothing, or wait for no version",
    ),
)

RULES = (*NAMED, *QUEUE, *LOSS, *EXPIRY, *SAMPLING, *VERSIONS, *FAILURE, *MODES)
