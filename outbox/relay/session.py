"""One session of the relay: a stream and a producer, from the confirmed position until something breaks or stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from outbox.fault_points import FaultPoints
from outbox.relay.publisher import Publisher
from outbox.relay.pump import Pump
from outbox.relay.wal import Frame, Keepalive, WalStream
from outbox.telemetry import Observe

IDLE_WAIT_S = 0.2  # bounds how late a stop is noticed
BUSY_WAIT_S = 0.002  # acknowledgements come from another thread, nothing wakes us
FRAMES_PER_TURN = 500  # so that acknowledgements are collected in between
STATUS_EVERY_S = 10.0  # wal_sender_timeout is 60 s; the server must hear from us even when Kafka stands still
FINISH_WITHIN_S = 10.0
MEASURE_EVERY_S = 1.0


@dataclass(slots=True)
class RelaySession:
    """`run` returns after a stop, with everything acknowledged and confirmed; any failure is raised."""

    stream: WalStream
    publisher: Publisher
    pump: Pump
    fault_points: FaultPoints
    clock: Callable[[], float]
    confirm_interval_s: float
    observe: Observe
    upkeep: Callable[[], None]
    confirmed_lsn: int = 0
    _reply_wanted: bool = False
    _told_at: float = field(default=float("-inf"))
    _counted: int = 0
    _measured_at: float = field(default=float("-inf"))
    wall_clock: Callable[[], float] = time.time

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                if self.publisher.is_full:
                    stop.wait(BUSY_WAIT_S)
                else:
                    self._read_turn()
                self._collect()
                self._measure_if_due()
                self._tell_if_due()
                self.upkeep()
            self.publisher.finish(FINISH_WITHIN_S)
            self._count()
            self._tell()
        finally:
            self._measure(0, 0)  # what was not acknowledged is sent again by the next session

    def _measure_if_due(self) -> None:
        """Also while nothing is acknowledged: then it is that somebody looks."""
        if self.clock() - self._measured_at >= MEASURE_EVERY_S:
            self._measured_at = self.clock()
            self._measure(self.publisher.in_flight, self.publisher.in_flight_bytes)

    def _measure(self, records: int, size_bytes: int) -> None:
        self.observe("outbox_relay_in_flight_records", records)
        self.observe("outbox_relay_in_flight_bytes", size_bytes)

    def _collect(self) -> None:
        self.publisher.collect()
        self._count()

    def _count(self) -> None:
        acknowledged = self.publisher.acknowledged
        if acknowledged > self._counted:
            self.observe("outbox_relay_records_total", acknowledged - self._counted)
            self._counted = acknowledged
        # Also without: a commit may be read after its last event is acknowledged.
        now_s = self.wall_clock()
        for committed_at_us in self.publisher.arrived():
            self.observe("outbox_relay_delay_seconds", max(0.0, now_s - committed_at_us / 1e6))

    def _read_turn(self) -> None:
        frame = self.stream.receive(self._wait_s())
        for _ in range(FRAMES_PER_TURN):
            if frame is None:
                return
            self._take(frame)
            if self.publisher.is_full:
                return
            frame = self.stream.receive(0)
        if frame is not None:
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        self._reply_wanted |= isinstance(frame, Keepalive) and frame.reply_wanted
        self.pump.take(frame)

    def _wait_s(self) -> float:
        if self.publisher.in_flight:
            return BUSY_WAIT_S
        if self.publisher.passed_lsn > self.confirmed_lsn:
            return self.confirm_interval_s
        return IDLE_WAIT_S

    def _tell_if_due(self) -> None:
        silent_s = self.clock() - self._told_at
        news = self.publisher.passed_lsn > self.confirmed_lsn
        if self._reply_wanted or silent_s >= STATUS_EVERY_S or (news and silent_s >= self.confirm_interval_s):
            self._tell()

    def _tell(self) -> None:
        """Position 0 moves nothing back: the server ignores what lies before its own."""
        self.stream.confirm(self.publisher.passed_lsn)
        self._told_at, self._reply_wanted = self.clock(), False
        if self.publisher.passed_lsn > self.confirmed_lsn:
            self.confirmed_lsn = self.publisher.passed_lsn
            self.observe("outbox_relay_confirmed_lsn_bytes", self.confirmed_lsn)
            self.fault_points.reach("relay.confirmed")
