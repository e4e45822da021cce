"""What a runtime tells the outside: counts to `observe`, events to the log. Never payloads, never keys."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from outbox.consumer.append_time import appended_ms
from outbox.consumer.error_text import calls_of, place_of, text_of
from outbox.consumer.partitions.run import Run
from outbox.consumer.partitions.watchdog import Stall
from outbox.consumer.retry.flood import Flooded
from outbox.consumer.retry.rule import Clause
from outbox.consumer.settings import Measure, Metric, Observe
from outbox.consumer.triage import ParkingCause
from outbox.kafka.port import TopicPartition

MISSING = "waiting for its topic: the broker has none of that name; is the name right, does its relay run?"

_log = logging.getLogger("outbox.consumer")

KINDS_TRACED = 100  # of one process
SAID_EACH_S = 1.0


class Report:
    """Safe from every thread; a failing observer changes nothing. `runs_at_work`: taken by workers and not ended."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self._measure = observe if isinstance(observe, Measure) else None
        self.runs_at_work = 0
        self._working = threading.Lock()
        self._breaker_opened_at: float | None = None
        self._traced: set[str] = set()
        self._at_once: dict[tuple[str, TopicPartition], tuple[float, int]] = {}  # said when, and how many since

    def count(self, metric: Metric, value: int = 1, **labels: str) -> None:
        try:
            self._observe(metric.value, value, **labels)
        except Exception:  # noqa: BLE001 - an observer must never change what becomes of an event
            _log.exception("observer_failed", extra={"metric": metric.value})

    @contextmanager
    def working(self, run: Run) -> Iterator[None]:
        """A worker has the run, until it has ended in whatever way."""
        with self._working:
            self.runs_at_work += 1
        try:
            with self.timed("consumer_run_seconds", run):
                yield
        finally:
            with self._working:
                self.runs_at_work -= 1

    @contextmanager
    def timed(self, name: str, run: Run) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self._time(name, [time.monotonic() - begun], run)

    def completed(self, run: Run) -> None:
        """Its events have ended: how long since each was appended."""
        if self._measure is not None:
            now_ms = time.time_ns() / 1_000_000
            ages = [max(0.0, now_ms - appended_ms(record)) / 1000 for record in run.records]
            self._time("consumer_completion_seconds", ages, run)

    def _time(self, name: str, seconds: Sequence[float], run: Run) -> None:
        if self._measure is None:
            return
        try:
            self._measure.time(name, seconds, topic=run.assigned.partition.topic)
        except Exception:  # noqa: BLE001 - an observer must never change what becomes of an event
            _log.exception("observer_failed", extra={"metric": name})

    def retried(self, run: Run, error: Exception, trouble: str, delay_s: float, *, stands: bool) -> None:
        """It waits to be tried again. `stands`: its lane has tried in vain for long, and goes on trying, ever more
        rarely: nothing behind it is done.
        """
        self.count(Metric.RETRY, error=type(error).__name__, trouble=trouble)
        where = {"first_offset": run.records[0].offset, "lane": run.lane, "attempt": run.attempt}
        fields = {**_place(run.assigned.partition), **where, "delay_s": round(delay_s, 3), **self._described(error)}
        level, event = (logging.ERROR, "lane_stands") if stands else (logging.WARNING, "run_retried")
        _log.log(level, event, extra=fields)

    def retried_at_once(self, part: Run, error: Exception, trouble: str) -> None:
        """Events are tried again without a rest. A line a second of each kind, with how many there were: a line for
        each cost more than to try it again.
        """
        self.count(Metric.RETRY, error=type(error).__name__, trouble=trouble)
        kind, now = (type(error).__name__, part.assigned.partition), time.monotonic()
        with self._working:
            said_at, times = self._at_once.get(kind, (-math.inf, 0))
            due = now - said_at >= SAID_EACH_S
            self._at_once[kind] = (now, 0) if due else (said_at, times + 1)
        if due:
            where = {**_place(part.assigned.partition), "first_offset": part.records[0].offset, "lane": part.lane}
            _log.warning("retried_at_once", extra={**where, "times": times + 1, **self._described(error)})

    def given_up(self, run: Run, error: Exception) -> None:
        """It is not tried again: its one event is parked."""
        where = {"first_offset": run.records[0].offset, "attempt": run.attempt}
        _log.warning("run_given_up", extra={**_place(run.assigned.partition), **where, **self._described(error)})

    def at_work(self, run: Run, for_s: float) -> None:
        """A run has not ended for so long: its handler is slow, or hangs, and its lane stands."""
        self.count(Metric.SLOW, topic=run.assigned.partition.topic)
        where = {"first_offset": run.records[0].offset, "records": len(run.records), "for_s": round(for_s, 1)}
        _log.warning("run_at_work", extra={**_place(run.assigned.partition), **where})

    def put_off(self, run: Run, clause: Clause) -> None:
        """Its lane waits longer than a retry would, by that clause of the policy."""
        self.count(Metric.PUT_OFF, len(run.records), clause=clause.value)
        where = {"first_offset": run.records[0].offset, "attempt": run.attempt, "clause": clause.value}
        _log.info("run_put_off", extra={**_place(run.assigned.partition), **where})

    def parked(self, run: Run, causes: Mapping[ParkingCause, int]) -> None:
        """So many of the run's records are in quarantine now. Those behind others make no line of their own."""
        for cause, count in causes.items():
            self.count(Metric.PARKED, count, cause=cause.value)
            if cause is not ParkingCause.BEHIND:
                where = {**_place(run.assigned.partition), "first_offset": run.records[0].offset}
                _log.warning("events_parked", extra={**where, "cause": cause.value, "count": count})

    def expired(self, clause: str, count: int) -> None:
        """Late work took its branch; counted when decided, so again when its transaction is tried again."""
        self.count(Metric.EXPIRED, count, clause=clause)
        _log.info("events_expired", extra={"count": count, "clause": clause})

    def shed(self, clause: str, count: int) -> None:
        """Given up under pressure; counted when decided, as `expired` is."""
        if count:
            self.count(Metric.SHED, count, clause=clause)
            _log.info("events_shed", extra={"count": count, "clause": clause})

    def flooded(self, run: Run, flooded: Flooded) -> None:
        """The run waits instead of draining into quarantine; said aloud once, when that begins."""
        self.put_off(run, flooded.clause)
        if flooded.opened:
            self.count(Metric.FLOODED, topic=run.assigned.partition.topic)
            self.trouble("partition_flooded", flooded, run.assigned.partition)

    def breaker(self, state: str) -> None:
        """What the group depends on has stopped, or begun, to answer."""
        if state != "open":
            self._breaker_opened_at = None
        elif self._breaker_opened_at is None:  # a probe that fails opens it once more
            self._breaker_opened_at = time.monotonic()
        self.count(Metric.BREAKER, state=state)
        _log.warning("consumer_breaker", extra={"state": state})

    def breaker_open_s(self) -> float | None:
        """For how long the group's breaker has let nobody through but probes; None while it is closed."""
        opened_at = self._breaker_opened_at
        return None if opened_at is None else time.monotonic() - opened_at

    def partition(self, metric: Metric, partition: TopicPartition) -> None:
        self.count(metric, topic=partition.topic)
        _log.info(metric.value, extra=_place(partition))

    def stalled(self, stall: Stall, load: tuple[int, int]) -> None:
        """A partition that stands still though it need not: the evidence and the remedy. `load`: records, bytes."""
        self.count(Metric.STALLED, remedy=stall.remedy.value)
        evidence: dict[str, object] = {"remedy": stall.remedy.value, "remedies_before": stall.remedies}
        evidence |= {"position": stall.position, "log_end": stall.end_now, "log_end_before": stall.end_before}
        evidence |= {"behind_s": round(stall.behind_s, 1), "held_records": load[0], "held_bytes": load[1]}
        _log.error("partition_stalled", extra={**_place(stall.partition), **evidence})

    def topic_missing(self, topic: str, waited_s: float) -> None:
        """Nothing comes of it, and the name may be wrong; the member waits for it."""
        self.count(Metric.TOPIC_MISSING, topic=topic)
        _log.error("topic_missing", extra={"topic": topic, "waited_s": round(waited_s), "detail": MISSING})

    def topic_found(self, topic: str) -> None:
        _log.info("topic_found", extra={"topic": topic})

    def unreachable(self, error: BaseException) -> None:
        """The broker did not answer; the member waits for it, and goes on where it was."""
        self.count(Metric.UNREACHABLE, what="broker")
        self.trouble("broker_unreachable", error)

    def _described(self, error: Exception) -> dict[str, object]:
        """What it says and where it was raised; the calls that led there once for each kind of it."""
        kind, place = type(error).__name__, place_of(error)
        fields: dict[str, object] = {"error": kind, "detail": text_of(error), "place": place}
        if (name := f"{kind} {place}") not in self._traced and len(self._traced) < KINDS_TRACED:
            self._traced.add(name)
            fields["traceback"] = calls_of(error)
        return fields

    def failed(self, event: str, error: Exception, partition: TopicPartition | None = None) -> None:
        """The same of whatever error: a handler's, or the database's about a row."""
        fields = _place(partition) if partition is not None else {}
        _log.error(event, extra={**fields, **self._described(error)})

    def trouble(self, event: str, error: BaseException, partition: TopicPartition | None = None) -> None:
        """Something that a person may have to look at; `error` is ours or a client's, its text holds no payload."""
        fields = _place(partition) if partition is not None else {}
        _log.error(event, extra={**fields, "error": type(error).__name__, "detail": str(error)})


def _place(partition: TopicPartition) -> dict[str, object]:
    return {"topic": partition.topic, "partition": partition.partition}


def ignore(name: str, value: int, **labels: str) -> None:
    """Counts nothing."""
