"""Continuations as the application calls them, through each driver: claimed once, with every outcome so far."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.continuation import table
from strangler.continuation.table import StepOutcome, store
from tests.support.callers import CALLERS, Caller

pytestmark = pytest.mark.no_kafka
CHAIN = ["fraud", "inventory", "payment"]


@pytest.fixture(params=CALLERS)
def application(request: pytest.FixtureRequest, database: str) -> Iterator[Caller]:
    with CALLERS[request.param](database) as connection:
        yield connection


@pytest.fixture
def resumer(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def test_with_two_waits_the_rest_sees_the_outcomes_of_both(application: Caller, resumer: PsycopgConnection) -> None:
    assert not table.wait_for(application, "a", "fraud", wait_s=0, rest=CHAIN, carry={"cents": 5})
    application.commit()
    assert store(resumer, [StepOutcome("a", "fraud", False, {"score": 7})]) == 1

    first = table.claim(application, "a")
    assert not table.wait_for(application, "a", "payment", wait_s=0, rest=CHAIN[1:], carry={"cents": 6})
    application.commit()
    assert (
        store(resumer, [StepOutcome("a", "inventory", False, {}), StepOutcome("a", "payment", False, {"id": 1})]) == 1
    )

    second = table.claim(application, "a")
    application.commit()
    assert first is not None
    assert second is not None
    assert (first.rest, first.carry, set(first.outcomes)) == (tuple(CHAIN), {"cents": 5}, {"fraud"})
    assert (second.rest, second.carry, set(second.outcomes)) == (("inventory", "payment"), {"cents": 6}, set(CHAIN))
    assert second.outcomes["fraud"].detail == {"score": 7}
    assert table.claim(application, "a") is None


def test_an_outcome_that_was_there_before_the_wait_need_not_be_waited_for(
    application: Caller, resumer: PsycopgConnection
) -> None:
    assert store(resumer, [StepOutcome("a", "payment", False, {"id": 1})]) == 0

    assert table.wait_for(application, "a", "payment", wait_s=0, rest=["payment"])
    found = table.claim(application, "a")
    application.commit()
    assert found is not None
    assert found.outcomes["payment"].detail == {"id": 1}


def test_a_refusal_of_any_step_ends_the_wait(application: Caller, resumer: PsycopgConnection) -> None:
    table.wait_for(application, "a", "payment", wait_s=0, rest=CHAIN)
    application.commit()
    store(resumer, [StepOutcome("a", "fraud", True, {"reason": "too risky"})])

    found = table.claim(application, "a")
    application.commit()
    assert found is not None
    assert found.refusal == StepOutcome("a", "fraud", True, {"reason": "too risky"})


def test_a_claim_that_is_rolled_back_is_there_for_the_next(application: Caller, resumer: PsycopgConnection) -> None:
    table.wait_for(application, "a", "payment", wait_s=0)
    application.commit()
    store(resumer, [StepOutcome("a", "payment", False, {})])

    assert table.claim(application, "a") is not None
    application.rollback()
    assert table.is_ready(application, "a")
    assert table.claim(application, "a") is not None
    application.commit()


def test_a_hand_back_waits_for_an_earlier_step_and_keeps_the_rest(
    application: Caller, resumer: PsycopgConnection
) -> None:
    table.wait_for(application, "a", "payment", wait_s=0, rest=CHAIN, carry={"cents": 5})
    table.wait_instead(application, "a", waits_for="payment", step="inventory", ready=False)
    application.commit()
    store(resumer, [StepOutcome("a", "inventory", False, {})])

    table.give_up(application, "a")
    found = table.claim(application, "a")
    application.commit()
    assert found is not None
    assert (found.waits_for, found.rest, found.carry) == ("inventory", tuple(CHAIN), {"cents": 5})
