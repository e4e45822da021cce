"""A plan whose readers let the world move on: what happens between two reads of one run can be said exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from outbox.connection import PsycopgConnection
from strangler.facts import Fact, FactReader, SubjectFacts
from strangler.plan import Plan
from strangler.reconcile.judged_step import JudgedStep

Happening = Callable[[], object]


def watched(
    plan: Plan, *, after_legacy: Mapping[int, Happening] | None = None, after_new: Mapping[int, Happening] | None = None
) -> Plan:
    """The plan, with something that happens after the nth time that legacy, or the last step's new side, was read."""
    legacy, new = _Count(after_legacy or {}), _Count(after_new or {})
    last = plan.steps[-1]
    assert last.check is not None
    check = replace(last.check, actual=_reader(JudgedStep.of(last).rows, new))

    def orders(connection: PsycopgConnection) -> Iterator[SubjectFacts]:
        yield from plan.subject.facts(connection)
        legacy.read()

    return replace(
        plan, subject=replace(plan.subject, read=orders), steps=(*plan.steps[:-1], replace(last, check=check))
    )


def _reader(read: FactReader, count: _Count) -> FactReader:
    def facts(connection: PsycopgConnection) -> Iterator[Fact]:
        yield from read(connection)
        count.read()

    return facts


class _Count:
    def __init__(self, happenings: Mapping[int, Happening]) -> None:
        self._happenings, self._times = happenings, 0

    def read(self) -> None:
        self._times += 1
        self._happenings.get(self._times, lambda: None)()
