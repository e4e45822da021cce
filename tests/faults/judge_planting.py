"""Plants losses at their moments, beside a run of the judge."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial

from tests.faults.judge_plants import Planter
from tests.support.waiting import comes_true

PLANTED_WITHIN_S = 30.0  # an order must have been done with for a while


class Planting:
    """Plants each kind after its delay, while the block reads."""

    def __init__(self, planter: Planter, due: Sequence[tuple[float, str]]) -> None:
        self._planter, self._due, self._begun = planter, due, time.monotonic()
        self._thread = threading.Thread(target=self._run, name="planting")
        self._error: Exception | None = None

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _planted(self, kind: str) -> bool:
        return self._planter.plant(kind) is not None

    def _run(self) -> None:
        try:
            for after_s, kind in self._due:
                time.sleep(max(0.0, self._begun + after_s - time.monotonic()))
                comes_true(partial(self._planted, kind), within_s=PLANTED_WITHIN_S, every_s=0.5)
        except Exception as error:  # noqa: BLE001 - a thread's edge: raised at the block's end
            self._error = error
