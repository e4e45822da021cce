"""What a member's events become work for: while that is under pressure, the member takes less from its own log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from outbox.consumer.give_way import PAUSE_S, GiveWay, Waits
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.consumer.report import Report
from outbox.consumer.settings import Metric


class Downstream:
    """Looks at `fed` in a thread of its own. `hold` is told the floor when one of them must be given way to, None when
    none must: a member is slowed down, never stopped, so groups that feed each other do not wait for each other.
    """

    def __init__(
        self, fed: Sequence[GiveWay], floor_per_s: float, hold: Callable[[float | None], None], report: Report
    ) -> None:
        self._fed, self._floor_per_s, self._hold, self._report = fed, floor_per_s, hold, report
        self._given_way_to: list[tuple[GiveWay, Waits]] = []
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until `stop`; ends at once where it feeds nobody. A look that fails or hangs holds nothing up."""
        while self._fed and not self._stopping.is_set():
            self.look()
            self._stopping.wait(PAUSE_S)

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> None:
        """Once, at each that is due."""
        before = {one.name for one, _ in self._given_way_to}
        self._given_way_to = [(one, waits) for one in self._fed if (waits := one.now()) is not None]
        for one, _ in self._given_way_to:
            if one.name not in before:
                self._report.count(Metric.GAVE_WAY, to=one.name)
        self._hold(self._floor_per_s if self._given_way_to else None)

    def standing(self) -> list[Standing]:
        """To whom it gives way now, for the lag and for `strangler pressure`."""
        return [
            Standing(
                StandingCause.GIVES_WAY,
                one.clock() - one.since,
                detail=f"to {one.name}, whose live events wait {waits.oldest_s:.0f} s (limit {waits.limit_s:g} s): "
                f"takes {self._floor_per_s:g} a second",
            )
            for one, waits in list(self._given_way_to)
        ]
