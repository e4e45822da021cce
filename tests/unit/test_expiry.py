"""Late work takes its declared branch before the handler; nothing is lost over a bad deadline or a skewed clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Expiry, Metric, Poison, Shedding
from outbox.consumer.middleware.expiring import Expiring
from outbox.consumer.middleware.expiry import deadline_of
from outbox.consumer.report import Report
from outbox.errors import ConfigurationError
from outbox.event import Event, ReceivedEvent, uuid7
from outbox.policy import Expired
from tests.support.services import SERVICES

POLICY = SERVICES["recommendation"].policy
NOW = 1_800_000_000.0
CLAUSE = "policy:search.expired=drop"
NO_CONNECTION = cast(PsycopgConnection, None)
MADE_NOW = uuid7(int(NOW * 1000))


def event(number: int = 1, deadline: Any = None, made: UUID = MADE_NOW) -> ReceivedEvent:
    context = {} if deadline is None else {"deadline": deadline}
    return ReceivedEvent(Event("order", "a", number, "T", b"", context, id=made), "order", 0, number, None)


PERMITTED = Shedding(permitted=lambda: True)
LATE, TIMELY = int(NOW - 60), int(NOW + 60)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T10:00:00+02:00", NOW),
        (int(NOW), NOW),
        (int(NOW * 1000), NOW),
        ("2027-01-15T08:00:00", None),  # no zone
        ("soon", None),
        (True, None),
    ],
)
def test_a_deadline_is_read_in_every_form_and_a_bad_one_is_none(said: Any, read: float | None) -> None:
    assert deadline_of(event(deadline=said).event, None) == read


def test_an_event_without_a_deadline_has_that_of_its_making() -> None:
    assert deadline_of(event().event, 30.0) == NOW + 30.0
    assert deadline_of(event().event, None) is None
    assert deadline_of(event(made=UUID(int=4)).event, 30.0) is None
    assert deadline_of(event(deadline=LATE).event, 30.0) == LATE


def test_a_clock_that_is_a_little_ahead_makes_nothing_late() -> None:
    expiry = Expiry(Expired.DROP, CLAUSE, tolerance_s=2.0)
    assert not expiry.late(event(deadline=int(NOW) - 2).event, NOW)
    assert expiry.late(event(deadline=int(NOW) - 3).event, NOW)


class Handled:
    """A handler that notes; it condemns the event of `poison`."""

    def __init__(self, poison: int = 0) -> None:
        self.numbers: list[int] = []
        self.poison = poison

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:  # noqa: ARG002
        for index, received in enumerate(events):
            if received.offset == self.poison:
                raise Poison(index, "no")
        self.numbers += [received.offset for received in events]
        return [Disposition.APPLIED] * len(events)


def expiring(handled: Handled, expiry: Expiry, shedding: Shedding = PERMITTED) -> tuple[Expiring, Counter[str]]:
    counts: Counter[str] = Counter()

    def observe(name: str, value: int, **labels: str) -> None:
        assert name == Metric.EXPIRED
        counts[labels["clause"]] += value

    return Expiring(handled, expiry, shedding, Report(observe), lambda _: NOW), counts


BATCH = [event(1, LATE), event(2, TIMELY), event(3, LATE), event(4)]


def test_by_default_late_work_is_handled() -> None:
    handled = Handled()
    handler, counts = expiring(handled, Expiry(Expired.RUN, CLAUSE))
    assert handler(NO_CONNECTION, BATCH) == [Disposition.APPLIED] * 4
    assert not counts


def test_dropped_work_reaches_no_handler_and_its_clause_is_named() -> None:
    handled = Handled()
    handler, counts = expiring(handled, Expiry(Expired.DROP, CLAUSE))
    applied, expired = Disposition.APPLIED, Disposition.EXPIRED
    assert handler(NO_CONNECTION, BATCH) == [expired, applied, expired, applied]
    assert handled.numbers == [2, 4]
    assert counts == {CLAUSE: 2}


def test_what_may_not_be_dropped_now_is_run_late() -> None:
    handled = Handled()
    handler, counts = expiring(handled, Expiry(Expired.DROP, CLAUSE), Shedding())
    assert handler(NO_CONNECTION, BATCH) == [Disposition.APPLIED] * 4
    assert handled.numbers == [1, 2, 3, 4]
    assert not counts


def test_compensation_and_handling_keep_the_order_of_the_batch() -> None:
    handled, compensated = Handled(), Handled()
    compensated.numbers = handled.numbers
    handler, counts = expiring(handled, Expiry(Expired.COMPENSATE, CLAUSE, compensate=compensated))
    dispositions = handler(NO_CONNECTION, BATCH)
    assert handled.numbers == [1, 2, 3, 4]
    assert dispositions.count(Disposition.EXPIRED) == 2
    assert counts == {CLAUSE: 2}


@pytest.mark.parametrize("branch", [Expired.DEFER, Expired.ESCALATE])
def test_deferred_and_escalated_work_is_parked_at_its_place_with_the_clause(branch: Expired) -> None:
    handler, counts = expiring(Handled(), Expiry(branch, CLAUSE))
    with pytest.raises(Poison, match=CLAUSE) as parked:
        handler(NO_CONNECTION, BATCH[1:])
    assert parked.value.index == 1
    assert counts == {CLAUSE: 1}


def test_poison_of_the_handler_keeps_its_place_behind_late_work() -> None:
    handler, _ = expiring(Handled(poison=4), Expiry(Expired.DROP, CLAUSE))
    with pytest.raises(Poison) as poison:
        handler(NO_CONNECTION, BATCH)
    assert poison.value.index == 3


def test_a_policy_says_it_all() -> None:
    expiry = Expiry.of(POLICY)
    assert (expiry.branch, expiry.deadline_s) == (Expired.DROP, POLICY.deadline_s)
    assert expiry.clause == "policy:recommendation.expired=drop"


def test_compensation_needs_a_handler_and_no_other_branch_takes_one() -> None:
    with pytest.raises(ConfigurationError, match="give compensate="):
        Expiry(Expired.COMPENSATE, CLAUSE)
    with pytest.raises(ConfigurationError, match="leave it out, or let the policy say expired=compensate"):
        replace(Expiry(Expired.DROP, CLAUSE), compensate=Handled())


@given(st.lists(st.booleans(), max_size=12))
def test_every_event_has_one_disposition_at_its_own_place(late: list[bool]) -> None:
    batch = [event(number, LATE if is_late else TIMELY) for number, is_late in enumerate(late, start=1)]
    handler, _ = expiring(Handled(), Expiry(Expired.DROP, CLAUSE))
    found = handler(NO_CONNECTION, batch)
    assert [one is Disposition.EXPIRED for one in found] == late
