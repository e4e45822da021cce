"""A chain that could not be gone on with is refused before any of its steps runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from strangler.errors import BadInput
from strangler.sqlalchemy import Strangled
from tests.support.three_steps import Basket, Shop

pytestmark = pytest.mark.no_kafka


@pytest.fixture
def hasty(database: str) -> Iterator[Shop]:
    """Its requests wait for nobody."""
    with closing(Shop(database, wait_s=0)) as shop:
        yield shop


def test_a_step_that_could_not_be_gone_on_with_is_refused_before_anything_runs(hasty: Shop) -> None:
    middle = hasty.strangled._chain.middle
    del middle.after["payment"], middle.refused["stock"]
    hasty.strangled.after("paymnet")(lambda _basket, _outcome: None)

    with pytest.raises(BadInput) as refused:
        hasty.place("a")
    said = str(refused.value)
    assert "awaited('payment') has no after" in said
    assert "`@strangled.refused('stock')`" in said
    assert "after('paymnet') belongs to no step" in said
    assert hasty.calls == []


def test_a_wait_that_no_client_would_wait_for_is_refused() -> None:
    with pytest.raises(BadInput, match="give 0 to 60 seconds"):
        Strangled("basket", wait_s=61)


def test_a_chain_whose_subject_was_committed_before_or_never_told_of_is_refused(hasty: Shop) -> None:
    with hasty.sessions() as session, hasty.strangled.unit():
        basket = Basket(status="new", did="")
        session.add(basket)
        with pytest.raises(BadInput, match="call created or changed before run"):
            hasty.strangled.run(basket, *hasty.steps, answer=str)
        hasty.strangled.created(basket, "BasketMade", {})
        session.commit()
        with pytest.raises(BadInput, match="leave that commit to run"):
            hasty.strangled.run(basket, *hasty.steps, answer=str)
    assert hasty.calls == []
