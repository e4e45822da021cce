"""Steps of the middle that go back to legacy while an order waits for them: each runs once, in the rest."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.legacy_shop import Shop, mails
from tests.integration.new_side import answering, say, until
from tests.integration.test_legacy_pending import PENDING, TAIL, events, hasty, place, ref, shop
from tests.support.orders import MIDDLE

__all__ = ["hasty", "ref", "shop"]  # the fixtures
pytestmark = pytest.mark.no_kafka


@pytest.mark.parametrize(
    ("new", "done", "handed_back"),
    [
        (MIDDLE, [], ["fraud"]),
        (MIDDLE, [], ["payment", "inventory", "fraud"]),
        (MIDDLE, ["fraud"], ["inventory"]),
        (MIDDLE, ["fraud"], ["payment", "inventory"]),
        (MIDDLE, ["fraud", "inventory"], ["payment"]),
        (["inventory"], [], ["inventory"]),
        (["fraud", "payment"], ["fraud"], ["payment"]),
        ([*MIDDLE, *TAIL], ["fraud"], [*TAIL, "inventory"]),
    ],
)
def test_a_step_that_is_handed_back_runs_once_in_the_rest(
    shop: Shop, ref: str, new: Sequence[str], done: Sequence[str], handed_back: Sequence[str]
) -> None:
    """`done`: what the new side had done when it was told to stop."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(place, shop, ref, new)
        until(shop.dsn, PENDING, ref)
        for step in done:
            say(shop.dsn, ref, step)
        if "inventory" not in new and "fraud" in done:  # legacy reserved, and the order waits again
            until(shop.dsn, f"{PENDING} AND waits_for = 'payment'", ref)
        answers = [shop.take_back(step, ref) for step in handed_back]
        again = [shop.take_back(step, ref) for step in handed_back]  # by now the chain may have gone on
        with answering(shop.dsn):
            answer = waiting.result()

    taken = [(200, [1] if step in MIDDLE else []) for step in handed_back]
    assert [(one.status_code, one.json()["versions"]) for one in answers] == taken
    assert {one.status_code for one in again} == {200}
    assert (answer.status_code, answer.json()["status"]) == (201, "placed")
    by_legacy = {"fraud": "FraudCleared", "inventory": "StockReserved", "payment": "PaymentTaken"}
    ran = [f"{by_legacy[step]} by legacy" for step in MIDDLE if step in handed_back or step not in new]
    assert events(shop, ref) == sorted(["OrderReceived", *ran, "OrderPlaced"])
    assert len(mails(shop, ref)) == ("notification" in handed_back or "notification" not in new)


def test_a_hand_back_waits_for_an_earlier_step_that_the_new_side_has_not_ended(hasty: Shop, ref: str) -> None:
    place(hasty, ref, MIDDLE)
    hasty.take_back("payment", ref)

    sql = "SELECT waits_for, state FROM strangler.continuation WHERE subject_ref = %s"
    assert hasty.rows(sql, ref) == [("inventory", "waiting")]
    assert say(hasty.dsn, ref, "fraud") == 0
    assert say(hasty.dsn, ref, "inventory") == 1


def test_an_order_that_was_rejected_is_handed_back_to_nobody(shop: Shop, ref: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(place, shop, ref, MIDDLE)
        until(shop.dsn, PENDING, ref)
        say(shop.dsn, ref, "fraud", refused=True)
        assert waiting.result().status_code == 422

    assert shop.take_back("inventory", ref).json()["versions"] == []
    assert events(shop, ref) == ["OrderReceived", "OrderRejected"]


def test_a_step_of_the_middle_does_not_run_again_once_the_order_is_placed(shop: Shop, ref: str) -> None:
    with answering(shop.dsn):
        place(shop, ref, MIDDLE)

    assert shop.hand_back("payment", ref).status_code == 409  # it is the new side's
    assert shop.take_back("payment", ref).json()["versions"] == []
    assert events(shop, ref) == ["OrderPlaced", "OrderReceived"]
    assert [entry for entry in shop.ledger("payments") if entry["body"]["order_ref"] == ref] == []
