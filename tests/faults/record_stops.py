"""Has a stop been named? Judged by what an operator has: the log's lines, the page of metrics, `outbox lag`. Pure.

A lane that has work and does not move is stopped, whatever the reason. Each witness says whether it tells of it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from outbox.consumer.partitions.standing import Standing

WITHIN_S = 10.0

# What is said when a lane, a partition or the whole group stops, and the metric that counts the same.
OF_A_LANE: Mapping[str, str] = {
    "run_retried": "consumer_retry",
    "lane_stands": "consumer_retry",
    "run_put_off": "consumer_put_off",
    "run_at_work": "consumer_slow",
}
OF_A_PARTITION: Mapping[str, str] = {
    "partition_flooded": "consumer_flooded",
    "position_lost": "consumer_position_lost",
    "source_broken": "consumer_source_broken",
    "partition_unreadable": "consumer_unreadable",
    "partition_stalled": "consumer_stalled",
    "consumer_paused": "consumer_paused",
}
OF_THE_GROUP: Mapping[str, str] = {"consumer_breaker": "consumer_breaker", "broker_unreachable": "consumer_unreachable"}
COUNTED_AS: Mapping[str, str] = {**OF_A_LANE, **OF_A_PARTITION, **OF_THE_GROUP}
ENDS: Mapping[str, str] = {"consumer_paused": "consumer_resumed"}  # of a partition's stop; else that it is taken anew
_LINE = re.compile(r"([a-z_]+)_total\{(.*)\} (\d+)")


@dataclass(frozen=True, slots=True)
class Stop:
    """A lane with work at `head` that has not moved for `stood_s`, at the time `now` of the wall's clock."""

    partition: int
    lane: int
    head: int
    now: float
    stood_s: float


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the log."""

    at: float
    event: str
    fields: Mapping[str, Any]


@dataclass
class Evidence:
    """What a process has said until now, what it counts, and what `outbox lag` says to stand."""

    lines: list[Said] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    standing: Sequence[Standing] = ()

    def naming(self, stop: Stop) -> frozenset[str]:
        """The events by which the log tells of the stop, with its place and a reason."""
        return frozenset(line.event for line in self.lines if _tells(line, stop) and not self._over(line, stop))

    def _over(self, line: Said, stop: Stop) -> bool:
        """Whether the partition has been taken over anew since, or the breaker has closed."""
        if line.event in OF_A_LANE:
            return False
        later = [one for one in self.lines if one.at > line.at]
        if line.event in OF_THE_GROUP:
            return any(one.event == line.event and one.fields.get("state") == "closed" for one in later)
        ending = ENDS.get(line.event, "consumer_assigned")
        return any(one.event == ending and one.fields.get("partition") == stop.partition for one in later)


Witness = Callable[[Stop, Evidence], bool]


def in_the_log(stop: Stop, evidence: Evidence) -> bool:
    """A line names the place and the reason."""
    return bool(evidence.naming(stop))


def in_metrics(stop: Stop, evidence: Evidence) -> bool:
    """A metric counts what the log names, each time; where the log names nothing, any that counts stops."""
    told = Counter(line.event for line in evidence.lines)
    named = evidence.naming(stop)
    if not named:
        return any(evidence.counts[metric] for metric in COUNTED_AS.values())
    return any(evidence.counts[COUNTED_AS[event]] >= told[event] for event in named if event in COUNTED_AS)


def in_lag(stop: Stop, evidence: Evidence) -> bool:
    """It says that the lane stands, or its partition, or all."""
    return any(
        one.partition in {None, stop.partition} and one.lane in {None, stop.lane} and bool(one.sentence)
        for one in evidence.standing
    )


# Who has to tell of every stop within ten seconds, by the name under which silence is reported.
WITNESSES: Mapping[str, Witness] = {"the log": in_the_log, "metrics": in_metrics, "outbox lag": in_lag}


def _tells(line: Said, stop: Stop) -> bool:
    fields = line.fields
    if line.event in OF_THE_GROUP:
        return bool(fields.get("state", "open") == "open")
    if fields.get("partition") != stop.partition:
        return False
    if line.event in OF_A_LANE:
        fresh = line.at + float(fields.get("delay_s", 0.0)) + WITHIN_S >= stop.now
        reason = (fields.get("error") and fields.get("place")) or fields.get("clause") or fields.get("for_s")
        return fresh and bool(reason) and fields.get("first_offset") == stop.head
    return line.event in OF_A_PARTITION or (fields.get("level") == "error" and bool(fields.get("detail")))


def silent(stop: Stop, evidence: Evidence) -> list[str]:
    """Who says nothing of it."""
    return [name for name, tells in WITNESSES.items() if not tells(stop, evidence)]


def death_is_named(exit_code: int, log: str) -> bool:
    """A process that ends by itself says so: by its code to who started it, and in its log with the error."""
    last = log.splitlines()[-60:]
    return exit_code != 0 and any("Traceback" in line or '"level": "error"' in line for line in last)


def lines_of(text: str) -> list[Said]:
    """Of whole lines; those that are no JSON are no events."""
    found: list[Said] = []
    for line in text.splitlines():
        if line.startswith("{"):
            fields = json.loads(line)
            found.append(Said(datetime.fromisoformat(fields["at"]).timestamp(), str(fields["event"]), fields))
    return found


def counts_of(page: str) -> Counter[str]:
    """Each metric, all its labels together; a breaker that opened or closed counts alike, as the log's lines do."""
    found: Counter[str] = Counter()
    for line in page.splitlines():
        match = _LINE.fullmatch(line)
        if match:
            found[match[1]] += int(match[3])
    return found
