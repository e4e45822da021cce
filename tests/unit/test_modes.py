"""What modes change, what contradicts itself in them, and a process that looks which one holds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from legacy_app.admission import admission, modes
from outbox import Consumer
from outbox.consumer import Shedding
from outbox.errors import ConfigurationError
from outbox.policy import InMode, Sampling, contradictions
from strangler import LagPromise, Mode, WorkClass
from strangler.admission.slots import ClassSlots
from strangler.admission.work import Clause, Grant, Refusal, Work
from strangler.errors import BadPlan
from strangler.modes.declared import admission_in, mode_problems
from strangler.modes.table import HeldMode
from strangler.modes.watch import ModeWatch
from tests.support.logs import lines_of
from tests.unit.policies import LOSSY, STANDARD

(PEAK,) = modes
HARD = Sampling(keep=0.01, above_s=5.0)
PROMISED = WorkClass("browse", 1.0, lag_promises=(LagPromise("mail", within_s=60),))
IN_PEAK = replace(LOSSY, modes=(InMode("peak", sampling=HARD),))


def test_a_mode_changes_the_classes_that_it_names_and_no_others() -> None:
    meanwhile = admission_in(admission, PEAK)
    assert [one.quota_per_s for one in meanwhile.classes] == [None, None, 5.0]
    assert meanwhile.classes[:2] == admission.classes[:2]
    assert admission_in(admission, None) is admission


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (Mode("Peak", longest_s=60), "cannot stand in a clause"),
        (Mode("peak", longest_s=0), "has longest_s=0"),
        (Mode("peak", longest_s=60, declared_by=(" ",)), "somebody without a name"),
        (Mode("peak", longest_s=60, classes=(WorkClass("feeds", 1.0),)), "changes the class 'feeds'"),
        (Mode("peak", longest_s=60, classes=(WorkClass("browse", 1.0, floor=1.5),)), "leaves this: admission's class"),
        (Mode("peak", longest_s=60, classes=(PROMISED,)), "changes the lag that 'browse' promises"),
    ],
)
def test_what_contradicts_itself_is_refused(mode: Mode, said: str) -> None:
    assert [one for one in mode_problems([mode], admission) if said in one]


def test_twice_and_bulk_that_is_not_declared_are_refused() -> None:
    assert "mode 'peak' stands 2 times; say all of it once" in list(mode_problems([PEAK, PEAK], admission))
    unbound = replace(admission, bulk=None)
    assert [one for one in mode_problems([PEAK], unbound) if "holds bulk, of which admission says nothing" in one]


def test_a_policy_names_only_modes_of_the_plan() -> None:
    from legacy_app.plan.plan import plan

    with pytest.raises(BadPlan, match="does otherwise in mode 'peak', which the plan does not have; it has: none"):
        replace(plan, modes=()).checked()


def test_what_is_sampled_in_a_mode_is_given_up_by_a_clause_of_its_own() -> None:
    held = [""]
    shedding = Shedding.of(IN_PEAK, permitted=lambda: True, mode=lambda: held[0])
    assert shedding.now() == (LOSSY.sampling, "policy:advice.sampling.keep=0.1")
    held[0] = "peak"
    assert shedding.now() == (HARD, "policy:advice.modes.peak.sampling.keep=0.01")
    assert "policy:advice.modes.peak.sampling.keep=0.01" in IN_PEAK.shedding(), "so the judge believes it"
    unsampled = replace(IN_PEAK, sampling=None)
    assert Shedding.of(unsampled, permitted=lambda: True).samples


def test_a_policy_with_numbers_may_stand_in_what_is_hashed() -> None:
    numbered = replace(STANDARD, numbers={"limit": 1}, modes=(InMode("peak", numbers={"limit": 2}),))
    assert len({numbered, replace(numbered, numbers={"limit": 1})}) == 1


def test_a_policy_that_contradicts_itself_only_in_a_mode_says_in_which() -> None:
    (found,) = contradictions(replace(STANDARD, modes=(InMode("peak", sampling=HARD),)))
    assert (found.rule, found.what) == ("sample_lossless", "in mode peak it is lossless and samples")


def test_a_consumer_alone_refuses_modes_that_nobody_declares() -> None:
    with pytest.raises(ConfigurationError, match="has modes, which nobody declares here"):
        Consumer(topics=["a"], group="g", handler=lambda *_: None, dsn="", bootstrap="a:1", policy=IN_PEAK)


class Base:
    """What a watch reads, and when."""

    def __init__(self) -> None:
        self.now, self.held, self.away = 100.0, HeldMode("peak", 10.0), False
        self.told: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.watch = ModeWatch("test", self.read, self.told.append, lambda: self.now)

    def read(self) -> HeldMode | None:
        self.meanwhile()
        if self.away:
            raise psycopg.OperationalError("away")
        return self.held


def test_a_mode_ends_at_its_time_also_where_the_database_is_away(caplog: pytest.LogCaptureFixture) -> None:
    base = Base()
    base.watch.look()
    assert (base.watch.now(), base.told) == ("peak", ["peak"])
    base.away, base.now = True, 109.0
    base.watch.look()
    base.watch.look()
    assert base.watch.now() == "peak", "an outage does not end it"
    base.now = 110.0
    assert base.watch.now() == "", "nor keeps it"
    base.watch.look()
    assert base.told == ["peak", ""]
    said = [one.message for one in lines_of(caplog, "strangler.modes.watch")]
    assert said.count("mode_not_read") == 1


def test_other_floors_and_quotas_hold_from_then_on_and_who_waits_keeps_its_place() -> None:
    usual = (WorkClass("checkout", 10.0), WorkClass("browse", 10.0))
    slots = ClassSlots(usual, 2, lambda: 0.5, 0.0)

    def ask(now: float) -> object:
        said = slots.admit(now, Work(1, "ann", now + 10.0))
        if isinstance(said, Grant):
            slots.release(said, now, served=True)
        return said

    assert all(isinstance(ask(0.0), Grant) for _ in range(3))
    slots.redeclare((usual[0], replace(usual[1], quota_per_s=1.0, floor=0.25)))
    first, second = ask(1.0), ask(1.0)
    assert isinstance(first, Grant)
    assert isinstance(second, Refusal)
    assert second.clause is Clause.QUOTA
    assert slots.queues[1].floor == 0.25
    slots.redeclare(usual)
    assert isinstance(ask(1.0), Grant)


def test_a_mode_ends_at_its_time_also_while_a_look_hangs(caplog: pytest.LogCaptureFixture) -> None:
    base, hangs = Base(), threading.Event()
    base.watch.look()

    def hang() -> None:
        hangs.set()
        assert answered.wait(60)

    answered, base.meanwhile = threading.Event(), hang
    looking = threading.Thread(target=base.watch.look)
    looking.start()
    assert hangs.wait(60)
    base.now = 111.0
    base.watch.keep_time()
    assert (base.watch.now(), base.told) == ("", ["peak", ""])
    answered.set()
    looking.join()
    said = [one.message for one in lines_of(caplog, "strangler.modes.watch")]
    assert said.count("mode_not_read") == 1
    assert base.told == ["peak", ""], "the answer was of when it was asked"
