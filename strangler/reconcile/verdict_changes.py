"""The docket: which judgements are new, which change an earlier verdict, which were said before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from strangler.facts import FINAL, FINDINGS, Judgement, Verdict
from strangler.reconcile.report import MAX_CHANGES, Report, VerdictChange

Key = tuple[str, int]
# They tell of something that is there now, and may have come after the verdict.
NEW_EVIDENCE = frozenset({Verdict.EXTRA, Verdict.DUPLICATE})
ONE_ACCOUNT = frozenset({Verdict.ACTED, Verdict.FAILED})  # nobody has confirmed them


class VerdictChanges:
    """Fills the report; `final` is to be stored, `gone` are stored findings that an audit no longer finds."""

    def __init__(self, report: Report, stored: Mapping[str, Mapping[Key, Verdict]], *, everything: bool) -> None:
        self._report, self._stored, self._everything = report, stored, everything
        self._seen: set[tuple[str, str, int]] = set()
        self.final: list[Judgement] = []
        self.gone: list[tuple[str, str, int]] = []

    def enter(self, by_subject: Iterable[list[Judgement]]) -> None:
        """Take the judgements of subjects, each list of one subject."""
        for judged in by_subject:
            self._seen.update((one.step, one.subject_ref, one.number) for one in judged)
            kept = [one for one in judged if self.is_news(one)]
            self._report.add(kept)
            for one in kept:
                if one.verdict in FINAL:
                    self._settle(one)

    def is_news(self, one: Judgement) -> bool:
        """Whether the judgement says more than the stored verdict of its number."""
        before = self._stored[one.step].get((one.subject_ref, one.number))
        if self._everything or before is None:
            return True
        if before is Verdict.ORPHAN:  # its subject has come since
            return one.verdict is not Verdict.ORPHAN
        if before is Verdict.MISSING:  # it may have come since; that it is late, or given up, lifts nothing
            return one.verdict in FINAL and one.verdict is not Verdict.MISSING
        if before in ONE_ACCOUNT:
            return one.verdict in FINAL and one.verdict is not before
        return before is Verdict.MATCH and one.verdict in NEW_EVIDENCE

    def close(self) -> None:
        """Count the findings that stand, and those that are gone. A step that was not judged keeps its own.

        Every run looks at all subjects, and so at all that was ever called missing; other findings only an audit lifts.
        """
        for step, stored in self._stored.items():
            rejudged = {(one.subject_ref, one.number) for one in self.final if one.step == step}
            for (subject_ref, number), verdict in stored.items():
                if verdict not in FINDINGS or (subject_ref, number) in rejudged:
                    continue
                if (
                    self._may_go(verdict)
                    and not self._report.unknown.get(step)
                    and self._absent(step, subject_ref, number)
                ):
                    self.gone.append((step, subject_ref, number))
                    self._change(VerdictChange(step, subject_ref, number, verdict.value, ""))
                else:
                    self._report.standing[step][verdict] += 1

    def _settle(self, one: Judgement) -> None:
        self.final.append(one)
        before = self._stored[one.step].get((one.subject_ref, one.number))
        if before is not None and before is not one.verdict:
            self._change(VerdictChange(one.step, one.subject_ref, one.number, before.value, one.verdict.value))

    def _may_go(self, verdict: Verdict) -> bool:
        return self._everything or verdict is Verdict.MISSING

    def _absent(self, step: str, subject_ref: str, number: int) -> bool:
        return (step, subject_ref, number) not in self._seen

    def _change(self, change: VerdictChange) -> None:
        if len(self._report.changes) < MAX_CHANGES:
            self._report.changes.append(change)
