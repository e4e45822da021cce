"""Plants losses at their moments, beside a run of the judge."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from tests.faults.judge_plants import Planter


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

    def _run(self) -> None:
        try:
            for after_s, kind in self._due:
                time.sleep(max(0.0, self._begun + after_s - time.monotonic()))
                self._planter.plant(kind)
        except Exception as error:  # noqa: BLE001 - a thread's edge: raised at the block's end
            self._error = error
