"""A worker: takes runs, applies them, and says what became of them."""

from __future__ import annotations

from outbox.consumer.apply import Application, Outcome, apply_run
from outbox.consumer.board import Board
from outbox.consumer.isolate import find_permanent
from outbox.consumer.lanes import Run
from outbox.consumer.positions import Overtaken
from outbox.consumer.report import Report
from outbox.consumer.retries import Retries
from outbox.consumer.session import Session
from outbox.consumer.settings import Metric
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
        retries: Retries,
        report: Report,
    ) -> None:
        self._board, self._session, self._application = board, session, application
        self._retries, self._report = retries, report

    def run(self) -> None:
        """Until the board is stopped."""
        try:
            while not self._board.stopped():
                rest_s = self._retries.admit()
                if rest_s:
                    self._board.rest(min(rest_s, TAKE_WITHIN_S))
                    continue
                run = self._board.take(TAKE_WITHIN_S)
                if run is None:
                    self._retries.unused()
                else:
                    self._serve(run, {})
        finally:
            self._session.close()

    def _serve(self, run: Run, condemned: dict[int, str]) -> None:
        """`condemned` are the offsets in the run that are to be parked, with their reasons."""
        put_off_s = self._retries.put_off_s(run, self._session.connection)
        if put_off_s:
            self._board.retry(run, put_off_s, tried=False)
            return
        try:
            outcome = self._applied(run, condemned)
        except Fenced as fenced:
            self._retries.ended(run)
            self._report.trouble("run_fenced", fenced, run.assigned.partition)
            self._board.fenced(run.assigned)
        except Overtaken as ahead:
            self._retries.ended(run)
            self._board.overtaken(run, ahead.stored)
        except Exception as error:  # noqa: BLE001 - the handler's contract: what is not Poison or permanent passes
            self._session.recover()
            self._board.retry(run, self._retries.failed(run, error))
        else:
            self._retries.succeeded(run, outcome.run)
            self._board.done(outcome)
            for disposition, count in outcome.dispositions.items():
                self._report.count(Metric.DISPOSITION, count, disposition=disposition.value)

    def _applied(self, run: Run, condemned: dict[int, str]) -> Outcome:
        """A permanent error is pinned on its event, which is parked; each time round condemns one more."""
        while True:
            try:
                return apply_run(self._session.connection(), run, self._application, condemned)
            except Exception as error:
                if not self._retries.is_permanent(error):
                    raise
                self._session.recover()
                connection = self._session.connection()
                found = find_permanent(connection, run, self._application, condemned, self._retries.classify)
                if found is None:
                    raise
                offset, condemned[offset] = found
                run = run.cut_behind(offset)
