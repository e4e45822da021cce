"""A worker: takes runs, applies them, and says what became of them."""

from __future__ import annotations

import random

from outbox.consumer.apply import Application, apply_run
from outbox.consumer.board import Board
from outbox.consumer.lanes import Run
from outbox.consumer.positions import Overtaken
from outbox.consumer.report import Report
from outbox.consumer.session import Session
from outbox.consumer.settings import Metric, RuntimeSettings
from outbox.errors import Fenced

TAKE_WITHIN_S = 1.0


class Worker:
    """One thread, one connection, any lane: the board gives a lane to one worker at a time."""

    def __init__(
        self,
        *,
        board: Board,
        session: Session,
        application: Application,
        settings: RuntimeSettings,
        report: Report,
        rng: random.Random,
    ) -> None:
        self._board, self._session, self._application = board, session, application
        self._settings, self._report, self._rng = settings, report, rng

    def run(self) -> None:
        """Until the board is stopped."""
        try:
            while not self._board.stopped():
                run = self._board.take(TAKE_WITHIN_S)
                if run is not None:
                    self._serve(run)
        finally:
            self._session.close()

    def _serve(self, run: Run) -> None:
        try:
            outcome = apply_run(self._session.connection(), run, self._application)
        except Fenced as fenced:
            self._report.trouble("run_fenced", fenced, run.assigned.partition)
            self._board.fenced(run.assigned)
        except Overtaken as ahead:
            self._board.overtaken(run, ahead.stored)
        except Exception as error:  # noqa: BLE001 - the handler's contract: all but Poison is transient
            self._session.recover()
            delay_s = self._settings.retry_delay_s(run.attempt, self._rng)
            self._report.retried(run, error, delay_s)
            self._board.retry(run, delay_s)
        else:
            self._board.done(run, outcome)
            for disposition, count in outcome.dispositions.items():
                self._report.count(Metric.DISPOSITION, count, disposition=disposition.value)
