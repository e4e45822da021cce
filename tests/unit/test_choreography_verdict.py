"""Where an order stands, from its events: judged against histories that are made, cut and parked at random."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from legacy_app.plan.choreography import choreography as shop
from strangler.choreography import Final, OrderState, Seen, Standing, SubjectVerdict
from strangler.choreography.verdict import judge, worst_first

BEGAN = datetime(2011, 12, 9, 12, tzinfo=UTC)
UNDER_WAY = OrderState("o", None)
PLACED = OrderState("o", Final.DONE)
REJECTED = OrderState("o", Final.COMPENSATED)


def verdict(
    order: OrderState | None, now_s: float, events: Mapping[str, float], parked: Mapping[str, str] | None = None
) -> SubjectVerdict:
    times = {type_: BEGAN + timedelta(seconds=after) for type_, after in events.items()}
    return judge(shop, Seen("o", times), order, parked or {}, BEGAN + timedelta(seconds=now_s))


CLEARED = {"OrderReceived": 0.0, "FraudCleared": 1.0}
PAID = {"OrderReceived": 0.0, "FraudCleared": 1.0, "StockReserved": 2.0, "PaymentTaken": 3.0}


@pytest.mark.parametrize(
    ("order", "events", "standing"),
    [
        (PLACED, {**PAID, "OrderPlaced": 4.0}, Standing.DONE),
        (PLACED, {**PAID, "OrderPlaced": 4.0, "OrderCancelled": 5000.0}, Standing.DONE),
        (REJECTED, {"OrderReceived": 0.0, "FraudRefused": 1.0, "OrderRejected": 2.0}, Standing.COMPENSATED),
        (PLACED, {}, Standing.DONE),  # older than the outbox
        (PLACED, {"OrderPlaced": 0.0}, Standing.DONE),  # of the release before
    ],
)
def test_an_order_at_its_end_stays_there(order: OrderState, events: dict[str, float], standing: Standing) -> None:
    assert verdict(order, 9e6, events) == SubjectVerdict("o", standing)


def test_an_order_waits_for_the_step_that_is_next_and_is_stuck_after_its_deadline() -> None:
    in_time = verdict(UNDER_WAY, 121.0, CLEARED)
    late = verdict(UNDER_WAY, 121.1, CLEARED)

    assert (in_time.standing, in_time.step) == (Standing.UNDER_WAY, "inventory")
    assert (late.standing, late.step) == (Standing.STUCK, "inventory")
    assert late.said == "waits for inventory since FraudCleared, 120 s of 120 s"


def test_a_rejected_order_is_not_at_its_end_before_all_is_taken_back() -> None:
    rejected = {**PAID, "PaymentRefused": 4.0, "OrderRejected": 5.0}

    assert verdict(REJECTED, 70.0, {**rejected, "StockReleased": 6.0}).step == "payment"
    assert verdict(REJECTED, 70.0, {**rejected, "PaymentRefunded": 6.0}).step == "inventory"
    whole = verdict(REJECTED, 70.0, {**rejected, "PaymentRefunded": 6.0, "StockReleased": 6.0})
    assert whole.standing is Standing.COMPENSATED


def test_what_is_overdue_first_is_named_of_two() -> None:
    found = verdict(REJECTED, 62.0, {"OrderReceived": 0.0, "StockReserved": 1.0, "FraudCleared": 1.5})
    assert found.standing is Standing.CONTRADICTION  # rejected, and no event says so
    both = {"OrderReceived": 1.0, "StockReserved": 0.0}
    overdue = verdict(UNDER_WAY, 121.0, both)
    assert (overdue.standing, overdue.step) == (Standing.STUCK, "fraud")  # due at 61 s, payment at 120 s


def test_a_parked_event_of_the_step_that_is_waited_for_is_quarantine() -> None:
    found = verdict(UNDER_WAY, 9e6, CLEARED, {"inventory": "KeyError: lines"})
    assert found == SubjectVerdict("o", Standing.QUARANTINED, "inventory", "inventory has parked it: KeyError: lines")

    elsewhere = verdict(UNDER_WAY, 9e6, CLEARED, {"search": "bad"})
    assert elsewhere.standing is Standing.STUCK


@pytest.mark.parametrize(
    ("order", "events", "said"),
    [
        (
            REJECTED,
            {**PAID, "OrderPlaced": 4.0, "OrderRejected": 4.0},
            "it has ended twice: OrderPlaced, OrderRejected",
        ),
        (None, PAID, "it has events, and there is no such subject ('payment taken, order missing')"),
        (None, {"OrderReceived": 0.0}, "it has events, and there is no such subject"),
        (UNDER_WAY, {}, "it is under way, and no event has told anybody"),
        (UNDER_WAY, {**PAID, "OrderPlaced": 4.0}, "the subject is under way, its events say done"),
        (PLACED, PAID, "the subject is done, its events say under way"),
        (PLACED, {"OrderReceived": 0.0, "OrderRejected": 4.0}, "the subject is done, its events say compensated"),
    ],
)
def test_what_denies_the_graph_is_a_contradiction(
    order: OrderState | None, events: dict[str, float], said: str
) -> None:
    found = verdict(order, 1.0, events)
    assert found.standing is Standing.CONTRADICTION
    assert found.said.startswith(said)


def test_an_order_without_its_beginning_is_stuck_rather_than_well() -> None:
    only_back = verdict(UNDER_WAY, 1.0, {"OrderReceived": 0.0, "Unheard": 0.5})
    assert only_back.standing is Standing.UNDER_WAY
    assert verdict(UNDER_WAY, 1.0, {"Unheard": 0.5}).standing is Standing.STUCK


def test_an_end_after_the_orders_own_deadline_is_late_but_an_end() -> None:
    assert not verdict(PLACED, 9e6, {**PAID, "OrderPlaced": 600.0}).late
    late = verdict(PLACED, 9e6, {**PAID, "OrderPlaced": 600.1})
    assert (late.standing, late.late) == (Standing.DONE, True)


def test_people_read_first_what_denies_the_graph_then_what_is_stuck() -> None:
    standings = [*Standing]
    verdicts = [SubjectVerdict(f"o{index}", standing) for index, standing in enumerate(standings)]
    verdicts.append(SubjectVerdict("slow", Standing.DONE, late=True))
    shown = [(one.standing, one.subject_ref) for one in worst_first(verdicts)]
    assert [standing for standing, _ in shown] == [
        Standing.CONTRADICTION,
        Standing.STUCK,
        Standing.QUARANTINED,
        Standing.DONE,
    ]


@dataclass
class History:
    """Made forwards, by throwing a die at each reaction: not by the code that judges."""

    events: dict[str, datetime]
    waiting: dict[str, datetime]  # step -> when its deadline ends


def history(rng: random.Random, *, lazy: float) -> History:
    """An order that goes its way, each reaction at some time within its deadline; some never happen."""
    events, waiting = {"OrderReceived": BEGAN}, {}
    agenda = ["OrderReceived"]
    while agenda:
        on = agenda.pop(rng.randrange(len(agenda)))
        for one in shop.reactions:
            if one.on != on or not one.leads_to or any(type_ not in events for type_ in one.only_after):
                continue
            if rng.random() < lazy:
                waiting[one.step] = events[on] + timedelta(seconds=one.within_s)
                continue
            follower = rng.choice(one.leads_to)
            events[follower] = events[on] + timedelta(seconds=rng.uniform(0, one.within_s))
            agenda.append(follower)
    return History(events, waiting)


def order_of(events: Mapping[str, datetime]) -> OrderState:
    return REJECTED if "OrderRejected" in events else PLACED if "OrderPlaced" in events else UNDER_WAY


@pytest.mark.parametrize("seed", range(5))
def test_ten_thousand_orders_end_or_are_named_with_the_step_they_wait_for(seed: int) -> None:
    rng = random.Random(seed)
    met: set[object] = set()
    for _ in range(2_000):
        made = history(rng, lazy=0.1)
        shuffled = dict(rng.sample(sorted(made.events.items()), len(made.events)))
        order = order_of(shuffled)

        def found_at(
            now: datetime, shuffled: dict[str, datetime] = shuffled, order: OrderState = order
        ) -> SubjectVerdict:
            return judge(shop, Seen("o", shuffled), order, {}, now)

        if not made.waiting:
            end = found_at(BEGAN + timedelta(days=1))
            assert end.standing is Standing((order.final or Final.QUARANTINED).value)
            met.add(end.standing)
            continue
        step, due = min(made.waiting.items(), key=lambda one: one[1])
        before, after = found_at(due), found_at(due + timedelta(milliseconds=1))
        assert (before.standing, before.step) == (Standing.UNDER_WAY, step)
        assert (after.standing, after.step) == (Standing.STUCK, step)
        met.add((after.standing, step))
    assert met == {
        Standing.DONE,
        Standing.COMPENSATED,
        *((Standing.STUCK, step) for step in ("fraud", "inventory", "payment", "order")),
    }
