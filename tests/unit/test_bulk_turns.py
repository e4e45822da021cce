"""When a command that does not come over HTTP may go on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from legacy_app.admission import admission
from strangler.admission.bulk import Bulk, Turns
from strangler.admission.declared import admission_problems
from strangler.errors import BadPlan

BULK = Bulk(longest_wait_s=60, longest_s=600, slow_s=10)


def test_without_pressure_every_unit_begins_at_once() -> None:
    turns = Turns(BULK)
    assert [turns.next_unit(now, pressed=False) for now in (0.0, 0.0, 0.1)] == [True, True, True]


def test_under_pressure_one_begins_in_so_many_seconds_counted_from_the_last() -> None:
    turns = Turns(BULK)
    turns.next_unit(0.0, pressed=False)
    assert [turns.next_unit(now, pressed=True) for now in (5.0, 9.9, 10.0, 12.0, 20.0)] == [
        False, False, True, False, True,
    ]  # fmt: skip


def test_the_first_is_never_held() -> None:
    assert Turns(BULK).next_unit(0.0, pressed=True)


def test_who_does_not_ask_stands_first_and_runs_for_a_tenth() -> None:
    turns = Turns(BULK)
    runs = [turns.runs(float(now), pressed=True) for now in range(100, 130)]
    assert runs == ([False] * 9 + [True]) * 3
    assert turns.runs(131.0, pressed=False)
    assert not turns.runs(131.1, pressed=True), "pressure that comes again stands first again"


def test_a_bound_below_one_turn_is_refused_with_the_fix() -> None:
    plan = replace(admission, bulk=Bulk(longest_wait_s=60, longest_s=5, slow_s=10))
    assert [one for one in admission_problems(plan) if "slow_s=10 above longest_s=5" in one]
    assert not list(admission_problems(admission))


@pytest.mark.parametrize("term", ["longest_s", "slow_s"])
def test_a_bound_of_nothing_is_refused(term: str) -> None:
    with pytest.raises(BadPlan, match=f"Bulk.{term} is 0"):
        replace(BULK, **{term: 0})
