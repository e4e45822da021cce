"""A worker: takes runs, applies them, and says what became of them."""

from __future__ import annotations

from dataclasses import replace

from outbox.consumer.application import Application
from outbox.consumer.apply import apply_run
from outbox.consumer.find_poison import find_permanent
from outbox.consumer.handler import Poison
from outbox.consumer.keyed_pool import KeyedThreadPool
from outbox.consumer.originals import Originals
from outbox.consumer.over_budget import GivenUpRun, Spent
from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.partitions.outcome import Outcome
from outbox.consumer.partitions.positions import Overtaken
from outbox.consumer.partitions.run import Run
from outbox.consumer.quarantine.parking import reason_of
from outbox.consumer.report import Report
from outbox.consumer.retry.flood import Flooded
from outbox.consumer.retry.retries import Retries
from outbox.consumer.retry.rule import Clause, Trouble, classify
from outbox.consumer.session import Session, Sessions
from outbox.consumer.settings import Metric
from outbox.consumer.triage import Doubtful
from outbox.errors import Fenced, SourceBroken

TAKE_WITHIN_S = 1.0


class Worker:
    """One thread, any lane: the board gives a lane to one worker at a time. It has a session while it applies a run."""

    def __init__(
        self,
        *,
        board: LaneScheduler,
        sessions: Sessions,
        application: Application,
        retries: Retries,
        report: Report,
        spent: Spent,
        originals: Originals,
        hands: KeyedThreadPool | None = None,
    ) -> None:
        self._board, self._sessions, self._application = board, sessions, application
        self._originals = originals
        self._retries, self._report, self._spent, self._hands = retries, report, spent, hands

    def run(self) -> None:
        """Until the board is stopped."""
        try:
            while not self._board.stopped():
                rest_s = self._retries.admit()
                if rest_s:
                    self._board.rest(min(rest_s, TAKE_WITHIN_S))
                    continue
                run = self._board.take(TAKE_WITHIN_S, self._retries.limit())
                if run is None:
                    self._retries.unused()
                else:
                    with self._report.working(run):
                        self._serve(run)
        finally:
            self._sessions.close_one()

    def _serve(self, run: Run) -> None:
        with self._sessions.one() as session:
            put_off_s = self._retries.put_off_s(run, session.connection)
        if put_off_s:
            self._end_or_put_off(run, put_off_s)
            return
        try:
            outcome = self._outcome(run)
        except (Fenced, Overtaken, Flooded, SourceBroken) as nothing_done:
            self._retries.ended(run)
            self._stood_back(run, nothing_done)
        except Exception as error:  # noqa: BLE001 - the handler's contract: what is not Poison or permanent passes
            self._failed(run, error)
        else:
            self._retries.succeeded(run, outcome)
            failed = outcome.failed
            self._done(run, outcome, 0.0 if failed is None else self._retries.failed(failed.part, failed.error).rest_s)

    def _failed(self, run: Run, error: Exception) -> None:
        """Tried again later; or parked, where that cannot help."""
        head = run.head
        failure = self._retries.failed(head, error)
        if failure.ends:
            condemned = {head.records[0].offset: reason_of(error)}
            self._end(head, GivenUpRun(head, self._application, condemned), failure.rest_s)
        else:
            self._board.retry(head, failure.rest_s)

    def _end_or_put_off(self, run: Run, put_off_s: float) -> None:
        """No attempt is made, so the breaker, the pace and the budget hear nothing of it."""
        given_up = self._spent.ended(run, self._application)
        if given_up is None:
            self._report.put_off(run, Clause.BUDGET)
            self._board.retry(run, put_off_s, tried=False)
        else:
            self._end(run, given_up, put_off_s)

    def _end(self, run: Run, given_up: GivenUpRun, put_off_s: float) -> None:
        """Its event ends now, without another attempt; where that fails it is put off."""
        try:
            with self._sessions.one() as session:
                outcome = self._transacted(session, given_up.run, given_up.how, given_up.condemned)
        except (Fenced, Overtaken, Flooded) as nothing_done:
            self._stood_back(run, nothing_done)
        except Exception as error:  # noqa: BLE001 - it is put off, as if it had not been given up
            self._report.failed("run_not_given_up", error, run.assigned.partition)
            self._board.retry(run, put_off_s, tried=False)
        else:
            self._done(given_up.run, outcome)

    def _stood_back(self, run: Run, why: Fenced | Overtaken | Flooded | SourceBroken) -> None:
        """Everything was rolled back."""
        match why:
            case Fenced():
                self._report.trouble("run_fenced", why, run.assigned.partition)
                self._board.fenced(run.assigned)
            case Overtaken():
                self._board.overtaken(run, why.stored)
            case SourceBroken():
                self._board.broken(run.assigned, why)
            case Flooded():
                self._report.flooded(run, why)
                self._board.retry(run, why.rest_s, tried=False)

    def _done(self, run: Run, outcome: Outcome, rest_s: float = 0.0) -> None:
        self._board.done(outcome, rest_s)
        self._report.completed(outcome.run)
        for disposition, count in outcome.dispositions.items():
            self._report.count(Metric.DISPOSITION, count, disposition=disposition.value)
        if outcome.parked:
            self._report.parked(run, outcome.parked)

    def _outcome(self, run: Run) -> Outcome:
        """Of the run, or of a part from its begin. The log is asked about repeats while no transaction is open."""
        while True:
            try:
                return self._attempted(run)
            except Doubtful as doubtful:
                run = self._originals.settle(run, doubtful)

    def _attempted(self, run: Run) -> Outcome:
        """Of the run; where work comes before the transaction, up to the first event whose work failed for now."""
        how = self._application
        if self._hands is not None:
            failures = self._hands.work_off(run, how)
            passing = [offset for offset, error in failures.items() if not self._is_final(error)]
            if run.records[0].offset in passing:
                raise failures[run.records[0].offset]
            if passing:
                run = run.cut_before(min(passing))
            how = replace(how, handler=self._hands.handler(run, failures))
        with self._sessions.one() as session:
            return self._transacted(session, run, how, {})

    def _is_final(self, error: Exception) -> bool:
        return isinstance(error, Poison) or classify(error) is Trouble.PERMANENT

    def _transacted(self, session: Session, run: Run, how: Application, condemned: dict[int, str]) -> Outcome:
        """`condemned` are the offsets in the run that are to be parked, with their reasons."""
        try:
            with self._report.timed("consumer_apply_seconds", run):
                return self._applied(session, run, how, condemned)
        except Exception:
            session.recover()
            raise

    def _applied(self, session: Session, run: Run, how: Application, condemned: dict[int, str]) -> Outcome:
        """A permanent error is pinned on its event, which is parked and ends the run."""
        while True:
            try:
                return apply_run(session.connection(), run, how, condemned)
            except Exception as error:
                if classify(error) is not Trouble.PERMANENT:
                    raise
                session.recover()
                found = find_permanent(session.connection(), run, how, condemned)
                if found is None:
                    raise
                offset, condemned[offset] = found
                run = run.cut_behind(offset)
