"""The resumer as a process: late outcomes, refusals, failing vendors, deliveries that repeat."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from outbox import Event
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.legacy_shop import LINES, Shop, mails, open_shop, order
from tests.integration.new_side import DETAILS, REFUSALS
from tests.support.context_process import context_environ
from tests.support.orders import MIDDLE, TELLS
from tests.support.waiting import wait_until

PLACED = "SELECT status FROM legacy.orders WHERE order_ref = %s"
EVENTS = "SELECT type FROM outbox.outbox WHERE aggregateid = %s AND aggregatetype = 'order' ORDER BY aggregate_version"


@dataclass(frozen=True)
class Town:
    """A shop whose requests wait for nothing, and its resumer."""

    shop: Shop
    resumer: Running
    producer: PythonProducer
    prefix: str

    def place(self, ref: str, *new: str) -> None:
        header = ", ".join(["epoch=3", *(f"{step}=new" for step in new)])
        answer = self.shop.place(order(ref, *LINES), Strangler_Order_Ref=ref, Strangler_Ownership=header)
        assert answer.status_code == 202, answer.text

    def publish(self, *events: Event) -> None:
        for event in events:
            topic, key = self.prefix + event.aggregate_type, event.aggregate_id.encode()
            self.producer.send(topic, key, event.payload, to_headers(event, None))
        self.producer.flush(10)

    def until_is(self, ref: str, status: str) -> None:
        wait_until(lambda: self.shop.rows(PLACED, ref) == [(status,)], lambda: self.shop.rows(PLACED, ref))

    def told(self, ref: str) -> list[str]:
        return [type_ for (type_,) in self.shop.rows(EVENTS, ref)]


def outcome(ref: str, step: str, *, refused: bool = False, **changes: Any) -> Event:
    detail: Mapping[str, Any] = (REFUSALS if refused else DETAILS)[step]
    body = {"order_ref": ref, "outcome": {**detail, **changes}}
    return Event(step, ref, 1, TELLS[step][refused], json.dumps(body).encode())


@pytest.fixture(scope="module")
def town(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    prefix = f"t{secrets.token_hex(5)}."
    with closing(PythonAdmin(stack.bootstrap)) as admin:
        admin.ensure_topics({f"{prefix}{step}": 2 for step in MIDDLE})
    with open_shop(stack, tmp_path_factory.mktemp("ledgers"), LEGACY_WAIT_S="0") as shop:
        given = {
            **shop.environ,
            **context_environ(shop.environ["STRANGLER_DSN"], stack.bootstrap, prefix),
        }
        argv = (sys.executable, "-m", "strangler", "run", "resume")
        resumer = stack.spawn(f"resume-{prefix}", argv, env=given, ready=Running.said_ready)
        producer = PythonProducer(stack.bootstrap)
        try:
            yield Town(shop, resumer, producer, prefix)
        finally:
            producer.close(5)
            assert resumer.terminate(60) == 0


@pytest.fixture
def ref() -> str:
    """An order reference and client reference of this test alone."""
    return f"t-{secrets.token_hex(6)}"


def test_a_late_outcome_places_the_order_once_however_often_it_is_delivered(town: Town, ref: str) -> None:
    town.place(ref, *MIDDLE)
    all_three = [outcome(ref, step) for step in MIDDLE]
    town.publish(*all_three, *all_three)

    town.until_is(ref, "placed")
    town.publish(*all_three)
    last = f"{ref}-last"
    town.place(last, "payment")
    town.publish(outcome(last, "payment"))
    town.until_is(last, "placed")  # what was published before it has been read
    assert town.told(ref) == ["OrderReceived", "OrderPlaced"]
    assert mails(town.shop, ref) == [(f"{ref}:notification:200", "order_confirmation", 950)]


def test_one_outcome_after_the_other_goes_through_the_legacy_steps_between(town: Town, ref: str) -> None:
    town.place(ref, "fraud", "payment")
    town.publish(outcome(ref, "fraud"))
    sql = "SELECT waits_for FROM strangler.continuation WHERE subject_ref = %s AND state = 'waiting'"
    wait_until(lambda: town.shop.rows(sql, ref) == [("payment",)])
    held = "SELECT sku, pieces FROM inventory.stock_hold WHERE order_ref = %s ORDER BY sku"
    assert town.shop.rows(held, ref) == [("A", 1), ("B", 3)]

    town.publish(outcome(ref, "payment"))
    town.until_is(ref, "placed")
    assert town.told(ref) == ["OrderReceived", "OrderPlaced"]


@pytest.mark.parametrize("new", [MIDDLE, ("payment",)], ids=["all new", "stock by legacy"])
def test_a_refusal_rejects_the_order_and_gives_legacys_stock_back(town: Town, ref: str, new: Sequence[str]) -> None:
    town.place(ref, *new)
    town.publish(outcome(ref, "payment", refused=True))

    town.until_is(ref, "rejected")
    assert town.told(ref) == ["OrderReceived", "OrderRejected"]
    kept = "SELECT sum(pieces) FROM inventory.stock_hold WHERE order_ref = %s HAVING count(*) > 0"
    assert town.shop.rows(kept, ref) == ([] if new == MIDDLE else [(0,)])
    assert mails(town.shop, ref) == []


def test_a_refusal_of_an_earlier_step_than_the_order_waits_for_rejects_it_too(town: Town, ref: str) -> None:
    town.place(ref, *MIDDLE)
    town.publish(outcome(ref, "fraud", refused=True))

    town.until_is(ref, "rejected")
    why = "SELECT rejected_by, rejection FROM legacy.orders WHERE order_ref = %s"
    assert town.shop.rows(why, ref) == [("fraud", "too risky")]


def test_a_vendor_that_fails_is_tried_again_until_the_rest_has_run(town: Town, ref: str) -> None:
    town.shop.turn("mail", error_share=1)
    try:
        town.place(ref, *MIDDLE)
        town.publish(*[outcome(ref, step) for step in MIDDLE])
        tried = "SELECT FROM strangler.continuation WHERE subject_ref = %s AND attempts >= 2"
        wait_until(lambda: town.shop.rows(tried, ref) != [])
        assert town.told(ref) == ["OrderReceived"]
    finally:
        town.shop.turn("mail", error_share=0)

    town.until_is(ref, "placed")
    assert town.told(ref) == ["OrderReceived", "OrderPlaced"]
    assert len(mails(town.shop, ref)) == 1


def test_what_is_not_an_outcome_of_the_new_side_changes_nothing(town: Town, ref: str) -> None:
    town.place(ref, "payment")
    town.publish(
        outcome(ref, "payment", by="legacy"),
        Event("payment", ref, 2, "PaymentRefunded", b"{}"),
        Event("payment", f"{ref}-broken", 1, "PaymentTaken", b"{}"),
        outcome(ref, "fraud"),
    )
    parked = "SELECT reason FROM resume.quarantine WHERE convert_from(key, 'UTF8') = %s"
    wait_until(lambda: town.shop.rows(parked, f"{ref}-broken") != [])
    state = "SELECT state FROM strangler.continuation WHERE subject_ref = %s AND waits_for = 'payment'"
    assert town.shop.rows(state, ref) == [("waiting",)]
    town.publish(outcome(ref, "payment"))
    town.until_is(ref, "placed")
