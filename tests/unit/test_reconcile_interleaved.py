"""The judge's reads at any points of any interleaving: nothing final that is not so, and no loss that stays hidden."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from strangler.ownership import Owner
from tests.unit.interleaved_judge import Reading, Rule, as_a_run, as_at_one_frontier, as_before, findings
from tests.unit.interleaved_world import World

FAULTS = ("skip event", "forget mail", "double mail", "delete row", "forget record", "take out")
RUNS = 3
MOST_MOVES = 200


@st.composite
def worlds(draw: st.DrawFn, faults: Sequence[str] = FAULTS) -> World:
    owner, waits = draw(st.sampled_from(Owner)), draw(st.booleans())
    early = waits and draw(st.booleans())
    return World(
        owner,
        mails=draw(st.booleans()),
        waits=waits,
        early=early,
        refused=waits and not early and draw(st.booleans()),
        last=draw(st.integers(1, 2)),
        handed_back=draw(st.booleans()),
        faults=tuple(draw(st.lists(st.sampled_from(faults), max_size=2, unique=True))) if faults else (),
    )


choices = st.lists(st.integers(0, 11), max_size=70)


def live(world: World, chosen: Sequence[int], rule: Rule) -> set[tuple[int, str]]:
    """Play what was chosen, a few runs of the judge among it; all that the runs have said in the end."""
    said: set[tuple[int, str]] = set()
    reading, runs = Reading(world), 0
    for choice in chosen:
        moves = [*world.moves().values(), *world.injuries().values()]
        if runs < RUNS and reading.may_read():
            moves += [reading.read] * 2
        if not moves:
            break
        moves[choice % len(moves)]()
        if not reading.legs:
            said |= findings(rule(reading))
            reading, runs = Reading(world), runs + 1
    while runs < RUNS and reading.may_read() and reading.legacies:
        reading.read()
    return said | (findings(rule(reading)) if not reading.legs else set())


def come_to_rest(world: World) -> None:
    """Everybody does what is left; nobody rolls back, parks or loses any more."""
    for _ in range(MOST_MOVES):
        moves = [move for name, move in world.moves().items() if name not in ("roll back", "park")]
        if not moves:
            return
        moves[0]()
    raise AssertionError("the world does not come to rest")


def planted(world: World) -> set[tuple[int, str]]:
    """Everything that was ever done to it. Two faults of one effect may show as either."""
    return {(one.number, one.verdict) for one in world.losses}


def read_at_rest(world: World, rule: Rule) -> set[tuple[int, str]]:
    reading = Reading(world)
    while reading.legs:
        reading.read()
    return findings(rule(reading))


def is_true(world: World, chosen: Sequence[int], rule: Rule) -> bool:
    return live(world, chosen, rule) <= planted(world)


@settings(max_examples=1200)
@given(worlds(), choices)
def test_nothing_final_is_said_that_is_not_so(world: World, chosen: list[int]) -> None:
    assert is_true(world, chosen, as_a_run)


@settings(max_examples=900)
@given(worlds(), choices)
def test_each_loss_is_found_once_the_world_has_come_to_rest_and_nothing_else(world: World, chosen: list[int]) -> None:
    live(world, chosen, as_a_run)
    come_to_rest(world)
    said = read_at_rest(world, as_a_run)
    held = {(one.number, one.verdict) for one in world.losses if one.holds() and not world.rejected}

    assert {number for number, _ in held} <= {number for number, _ in said}
    assert said <= planted(world)


@pytest.mark.parametrize("owner", Owner)
def test_a_world_without_losses_has_no_findings_however_it_is_read(owner: Owner) -> None:
    @settings(max_examples=400)
    @given(worlds(faults=("take out",)), choices)
    def read(world: World, chosen: list[int]) -> None:
        world.owner = owner
        assert live(world, chosen, as_a_run) == set()
        come_to_rest(world)
        assert read_at_rest(world, as_a_run) == set()

    read()


@pytest.mark.parametrize(("rule", "faults"), [(as_before, ()), (as_at_one_frontier, ("take out",))])
def test_these_worlds_catch_a_judge_of_one_snapshot(rule: Rule, faults: Sequence[str]) -> None:
    """The judge as it was, shrunk: an order is kept as pending; legacy is read; the shadow records; it is read. And one
    that knows pending orders and takes what is away for a moment for lost.
    """
    quietly = settings(
        max_examples=10_000,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        find(
            st.tuples(worlds(faults=faults), choices),
            lambda drawn: not is_true(drawn[0], drawn[1], rule),
            settings=quietly,
        )
    except NoSuchExample:
        pytest.fail("a judge of one snapshot passes: these worlds do not test what they are for")
