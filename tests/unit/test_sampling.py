"""Under pressure a handler sees a sample, the same one everywhere; what is left out is given up by its clause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Metric, Poison, Shedding
from outbox.consumer.middleware.sample import needed
from outbox.consumer.middleware.sampled import Sampled
from outbox.consumer.report import Report
from outbox.event import Event, ReceivedEvent, uuid7
from outbox.policy import Sampling
from tests.unit.policies import BULK, LOSSY

NOW = 1_800_000_000.0
CLAUSE = "policy:advice.sampling.keep=0.1"
SAMPLE = Sampling(keep=0.25, above_s=60.0)
NO_CONNECTION = cast(PsycopgConnection, None)
APPLIED, SHED = Disposition.APPLIED, Disposition.SHED


def event(key: str, number: int = 1, age_s: float = 0.0) -> ReceivedEvent:
    made = uuid7(int((NOW - age_s) * 1000))
    return ReceivedEvent(Event("order", key, number, "T", b"", id=made), "order", 0, number, None)


class Context:
    """A handler and what it gives up; it condemns the event of the version `poison`."""

    def __init__(self, poison: int = 0) -> None:
        self.handled: list[tuple[str, int]] = []
        self.given_up: list[tuple[str, int]] = []
        self.clauses: set[str] = set()
        self.poison = poison
        self.counts: Counter[str] = Counter()

    def handle(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:  # noqa: ARG002
        self.handled += self._seen(events)
        return [APPLIED] * len(events)

    def give_up(
        self,
        connection: PsycopgConnection,  # noqa: ARG002
        events: Sequence[ReceivedEvent],
        clause: str,
    ) -> list[Disposition]:
        self.given_up += self._seen(events)
        self.clauses.add(clause)
        return [SHED] * len(events)

    def sampled(self, sample: Sampling = SAMPLE, *, permitted: bool = True) -> Sampled:
        shedding = Shedding(lambda: permitted, self.give_up, sample, sample_clause=CLAUSE)
        return Sampled(self.handle, shedding, Report(self._observe), lambda _: NOW)

    def _seen(self, events: Sequence[ReceivedEvent]) -> list[tuple[str, int]]:
        for index, one in enumerate(events):
            if one.event.aggregate_version == self.poison:
                raise Poison(index, "no")
        return [(one.event.aggregate_id, one.event.aggregate_version) for one in events]

    def _observe(self, name: str, value: int, **labels: str) -> None:
        assert name == Metric.SHED
        self.counts[labels["clause"]] += value


def old(keys: int) -> list[ReceivedEvent]:
    return [event(f"order-{key}", number, age_s=61.0) for number in (1, 2, 3) for key in range(keys)]


def test_without_pressure_everything_is_handled() -> None:
    context = Context()
    batch = [event("a", age_s=59.0), event("b"), event("a", 2)]
    assert context.sampled()(NO_CONNECTION, batch) == [APPLIED] * 3
    assert not context.given_up


def test_the_median_of_a_batch_decides_for_all_of_it() -> None:
    context = Context()
    young, old_ones = (
        [event(f"young-{key}") for key in range(99)],
        [event(f"old-{key}", age_s=61.0) for key in range(101)],
    )
    context.sampled()(NO_CONNECTION, [*young, *old_ones])
    assert len(context.handled) + len(context.given_up) == 200
    assert 30 <= len(context.handled) <= 70, "a quarter of 200"


def test_a_producer_with_a_slow_clock_does_not_decide_for_the_others() -> None:
    context = Context()
    batch = [event(f"order-{key}", age_s=3_600.0 if key % 3 == 0 else 0.0) for key in range(60)]
    assert context.sampled()(NO_CONNECTION, batch) == [APPLIED] * 60
    assert not context.given_up


def test_whole_keys_are_kept_or_left_out_each_in_order() -> None:
    context, batch = Context(), old(keys=40)
    found = context.sampled()(NO_CONNECTION, batch)
    handled, given_up = {key for key, _ in context.handled}, {key for key, _ in context.given_up}
    assert handled
    assert given_up
    assert not handled & given_up
    for key in handled | given_up:
        assert [number for seen, number in [*context.handled, *context.given_up] if seen == key] == [1, 2, 3]
    assert found == [APPLIED if one.event.aggregate_id in handled else SHED for one in batch]
    assert context.counts == {CLAUSE: 3 * len(given_up)}
    assert context.clauses == {CLAUSE}


def test_every_member_and_every_repeat_chooses_the_same_keys() -> None:
    one, other = Context(), Context()
    one.sampled()(NO_CONNECTION, old(keys=40))
    other.sampled()(NO_CONNECTION, list(reversed(old(keys=40))))
    assert set(one.handled) == set(other.handled)
    wider = Context()
    wider.sampled(replace(SAMPLE, keep=0.5))(NO_CONNECTION, old(keys=40))
    assert set(one.handled) < set(wider.handled), "a larger share keeps what the smaller one kept"


def test_single_events_are_chosen_where_order_is_none() -> None:
    context = Context()
    context.sampled(replace(SAMPLE, by_key=False))(NO_CONNECTION, old(keys=100))
    assert {key for key, _ in context.handled} & {key for key, _ in context.given_up}
    assert 45 <= len(context.handled) <= 110, "a quarter of 300"


def test_nothing_is_given_up_while_it_is_not_permitted() -> None:
    context = Context()
    assert context.sampled(permitted=False)(NO_CONNECTION, old(keys=10)) == [APPLIED] * 30
    assert not context.counts


def test_an_id_that_tells_no_time_is_of_no_age() -> None:
    timeless = Event("order", "a", 1, "T", b"", id=UUID(int=4))
    assert not needed(SAMPLE, [ReceivedEvent(timeless, "order", 0, 0, None)], NOW)


@given(st.permutations(range(1, 41)), st.integers(1, 40))
def test_poison_keeps_its_place_on_either_side(numbers: list[int], poison: int) -> None:
    batch = [event(f"order-{number}", number, age_s=61.0) for number in numbers]
    with pytest.raises(Poison) as raised:
        Context(poison).sampled()(NO_CONNECTION, batch)
    assert batch[raised.value.index].event.aggregate_version == poison


def test_a_policy_says_it_all() -> None:
    lossy = Shedding.of(LOSSY, permitted=lambda: True)
    assert (lossy.sample, lossy.sample_clause) == (Sampling(keep=0.1, above_s=60.0), CLAUSE)
    assert Shedding.of(BULK, permitted=lambda: True).sample is None
