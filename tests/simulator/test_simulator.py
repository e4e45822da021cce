"""The core holds its invariants under random interleavings; and with a known bug in it, the simulator says so."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from unittest.mock import patch

import pytest

from outbox.consumer.middleware.versions import Discarded, Done, Gap, first_gap
from outbox.event import ReceivedEvent
from tests.simulator.database import Violation
from tests.simulator.gaps import GappyWorld, steps_with_gaps
from tests.simulator.mutations import MUTATIONS
from tests.simulator.world import shrink, steps_of, violation_of

STEPS = 200
SEEDS_HERE, SEEDS_PER_MUTATION = 25, 60


def test_no_interleaving_breaks_an_invariant() -> None:
    """Other seeds at each run; the seed is in the output of a failure. The long run: `python -m tests.simulator`."""
    first = random.SystemRandom().randrange(1 << 40)
    for seed in range(first, first + SEEDS_HERE):
        sys.stdout.write(f"seed {seed}\n")
        assert violation_of(steps_of(seed, STEPS)) is None, f"python -m tests.simulator --seed {seed} --seeds 1"


def test_a_seed_repeats_its_run() -> None:
    with MUTATIONS["runs_end_at_the_frontier"]():
        found = {str(violation_of(steps_of(3, STEPS))) for _ in range(3)}
    assert len(found) == 1


@pytest.mark.parametrize("for_good", [False, True])
def test_lost_versions_are_waited_for_and_never_passed(for_good: bool) -> None:
    first = random.SystemRandom().randrange(1 << 40)
    for seed in range(first, first + SEEDS_HERE):
        sys.stdout.write(f"seed {seed}\n")
        assert violation_of(steps_with_gaps(seed, STEPS), partial(GappyWorld, for_good=for_good)) is None


def test_who_does_not_wait_passes_a_lost_version() -> None:
    def play() -> None:
        for seed in range(SEEDS_PER_MUTATION):
            GappyWorld().run(steps_with_gaps(seed, STEPS))

    with patch("tests.simulator.database.first_gap", return_value=None), pytest.raises(Violation, match="nobody has"):
        play()


@pytest.mark.parametrize("seed", [1045691364177, 1000104])
def test_who_only_counts_what_was_discarded_passes_a_lost_version(seed: int) -> None:
    def counting(
        events: Sequence[ReceivedEvent], done: Mapping[str, Done], discarded: Mapping[str, Discarded]
    ) -> Gap | None:
        counted = {ref: Discarded(unread=one.unread + len(one.versions)) for ref, one in discarded.items()}
        return first_gap(events, done, counted)

    steps = steps_with_gaps(seed, STEPS)
    assert violation_of(steps, GappyWorld) is None
    with patch("tests.simulator.database.first_gap", counting):
        assert "nobody has" in str(violation_of(steps, GappyWorld))


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_known_bug_is_found(name: str) -> None:
    """Fixed seeds: what is found once is found each time."""
    with MUTATIONS[name]():
        assert any(violation_of(steps_of(seed, STEPS)) for seed in range(SEEDS_PER_MUTATION))


def test_shrinking_keeps_the_violation_and_leaves_out_the_rest() -> None:
    with MUTATIONS["any_success_resets_all_attempts"]():
        steps = next(one for one in (steps_of(seed, STEPS) for seed in range(60)) if violation_of(one))
        found = violation_of(steps)
        assert found is not None
        fewest = shrink(steps, found)
        again = violation_of(fewest)
    assert again is not None
    assert again.name == found.name
    assert len(fewest) < 20
