"""The middle's real contexts and vendors, judged by the plan's own oracle and readers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from legacy_app.plan.plan import plan
from legacy_app.rehearsal.accounts.stock_account import StockAccount, account_for_stock
from new_services.plant import plant_kind
from strangler.addresses import Addresses
from strangler.local.stack import Stack
from strangler.reconcile.frontier import StepFrontier
from strangler.reconcile.judged_step import JudgedStep
from strangler.reconcile.look import Look
from strangler.reconcile.snapshots import read_ledger, read_legacy, read_new
from strangler.reconcile.step_comparison import Backwards, StepComparison
from tests.integration.middle import handle, sending, until_ended
from tests.support.orders import LINES, cancelled, of_order
from tests.support.services import vendors_at
from tests.support.vendors_server import ADMIN_TOKEN, Vendors, vendors_server

NEW = "fraud=new, inventory=new, payment=new"
ORDER = """
INSERT INTO legacy.orders (order_ref, client_ref, channel, customer_id, country, placed_at, status, total_minor,
                           version, subject_version, ownership, rejected_by)
VALUES (%s, %s, 'web', '17850', 'United Kingdom', '2011-07-01T08:26:00', %s, 1645, %s, %s, %s, %s)"""
LINE = "INSERT INTO legacy.order_line VALUES (%s, %s, %s, %s, %s, %s, %s)"
Verdicts = dict[str, dict[int, str]]


@dataclass(frozen=True, slots=True)
class Town:
    """Legacy's rows are written by hand; the new side is real."""

    dsn: str
    vendors: Vendors

    @property
    def environ(self) -> dict[str, str]:
        return {"STRANGLER_DSN": self.dsn, "VENDORS_URL": self.vendors.url, "VENDORS_ADMIN_TOKEN": ADMIN_TOKEN}

    def store(
        self, ref: str, status: str = "placed", *, version: int = 1, by: str | None = None, mugs_cancelled: int = 0
    ) -> None:
        """As legacy's snapshot has the order in the end."""
        with psycopg.connect(self.dsn) as connection:
            told = version if status == "pending" else version + 1
            values = (ref, f"client-{ref}", status, version, told, f"epoch=7, {NEW}", by)
            connection.execute(ORDER, values)
            for number, line in enumerate(LINES):
                gone = 0 if number else mugs_cancelled
                fields = (line["sku"], line["description"], line["quantity"], gone, line["unit_price_minor"])
                connection.execute(LINE, (ref, number, *fields))

    def score(self, *refs: str) -> None:
        self._send("fraud", "OrderReceived", *refs)

    def reserve(self, *refs: str) -> None:
        handle(self.dsn, "inventory", *(of_order("FraudCleared", ref, NEW, by="new") for ref in refs))

    def charge(self, *refs: str) -> None:
        self._send("payment", "StockReserved", *refs)

    def reject(self, ref: str, by: str, effects: int = 0) -> None:
        """The rejection comes to both; `effects`: how many payment has ended by then."""
        event = of_order("OrderRejected", ref, NEW, by=by)
        handle(self.dsn, "inventory", event)
        handle(self.dsn, "payment", event)
        if effects:
            self._ended("payment", effects)

    def judge(self, name: str) -> Verdicts:
        """At rest, everything passed; surplus looked at again, as a run does."""
        step, addresses = JudgedStep.of(plan.step(name)), Addresses(self.environ)
        with addresses.legacy() as main, addresses.context(step.context) as context:
            legacy, new = read_legacy(main, plan, [step]), read_new(context, step, addresses)
            look = Look(step, legacy, StepFrontier(), new, read_ledger(step, addresses))
            hearing = StepComparison(look)
            found = [*hearing.first_look(lambda _: True), *hearing.second_look(Backwards(legacy, new), look)]
        return {judged[0].subject_ref: {one.number: one.verdict.value for one in judged} for judged in found}

    def plant(self, kind: str, ref: str) -> tuple[str, str, int, str]:
        planted = plant_kind(kind, self.environ, order_ref=ref, seed=1)
        return planted.step, planted.subject_ref, planted.number, planted.expected_verdict

    def _send(self, name: str, type_: str, *refs: str) -> None:
        handle(self.dsn, name, *(of_order(type_, ref, NEW, by="new") for ref in refs))
        with psycopg.connect(self.dsn) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {name}.effect").fetchone() or (0,)
        self._ended(name, count)

    def _ended(self, name: str, effects: int) -> None:
        with sending(self.dsn, name, vendors_at(self.vendors.url, name)):
            until_ended(self.dsn, name, effects)


@pytest.fixture
def town(stack: Stack, database: str, tmp_path: Path) -> Iterator[Town]:
    with vendors_server(stack, tmp_path) as vendors:
        yield Town(database, vendors)


def through(town: Town, *refs: str) -> None:
    """All of the middle."""
    town.score(*refs)
    town.reserve(*refs)
    town.charge(*refs)


def test_what_the_new_side_really_does_is_what_the_oracle_expects(town: Town) -> None:
    town.store("placed")
    town.store("cancelled", "partly_cancelled", version=2, mugs_cancelled=2)
    town.store("waiting", "pending")
    through(town, "placed", "cancelled")
    handle(town.dsn, "inventory", cancelled("cancelled", NEW, whole=False, lines=_without_mugs()))
    town.score("waiting")

    assert town.judge("fraud") == {key: {100: "match", 101: "match"} for key in ("cancelled", "placed", "waiting")}
    assert town.judge("inventory") == {"cancelled": {300: "match"}, "placed": {100: "match"}, "waiting": {100: "late"}}
    assert town.judge("payment") == {
        **{key: {100: "match", 101: "match"} for key in ("cancelled", "placed")},
        "waiting": {100: "late", 101: "late"},
    }


def test_rejected_orders_are_undone_to_the_judges_liking(town: Town) -> None:
    town.store("declined", "rejected", by="payment")
    town.store("ended", "rejected", by="deadline")
    town.store("risky", "rejected", by="inventory")
    town.score("declined", "ended", "risky")
    town.reserve("declined", "ended")
    town.charge("ended")
    town.vendors.turn("payments", decline_share=1.0)
    town.charge("declined")
    town.reject("declined", "payment")
    before = town.judge("payment")
    town.reject("ended", "deadline", effects=3)
    town.reject("risky", "inventory")

    assert before["ended"] == {100: "match", 101: "match", 200: "missing"}
    assert town.judge("fraud") == {key: {100: "match", 101: "match"} for key in ("declined", "ended", "risky")}
    assert town.judge("inventory") == {"declined": {200: "match"}, "ended": {200: "match"}}
    assert town.judge("payment") == {"declined": {100: "match"}, "ended": {100: "match", 101: "match", 200: "match"}}
    with psycopg.connect(town.dsn) as connection:
        assert account_for_stock(connection) == StockAccount(0, 0, 0, 0)


def test_planted_faults_of_the_middle_are_found_for_what_they_are(town: Town) -> None:
    for ref in ("a", "b"):
        town.store(ref)
    through(town, "a", "b")

    assert town.plant("dropped_charge", "a") == ("payment", "a", 100, "missing")
    assert town.plant("wrong_reservation", "b") == ("inventory", "b", 100, "mismatch")
    assert town.judge("payment") == {"a": {100: "missing", 101: "match"}, "b": {100: "match", 101: "match"}}
    assert town.judge("inventory") == {"a": {100: "match"}, "b": {100: "mismatch"}}
    assert town.judge("fraud") == {key: {100: "match", 101: "match"} for key in "ab"}


def test_stock_that_does_not_add_up_is_counted(town: Town) -> None:
    """Nobody holds what the order bought; somebody holds what no order did; a piece has vanished."""
    town.store("sold")
    with psycopg.connect(town.dsn) as connection:
        assert account_for_stock(connection) == StockAccount(0, 0, 0, 13)
        connection.execute("SELECT * FROM inventory.reserve_stock('{sold,ghost}', '{A1,A1}', '{10,4}')")
        connection.execute("UPDATE legacy.stock SET on_hand = on_hand - 1")

        assert account_for_stock(connection) == StockAccount(unaccounted=1, oversold_skus=0, kept=4, lost=3)
        connection.execute("UPDATE legacy.stock SET on_hand = -2")
        assert account_for_stock(connection).oversold_skus == 1


def _without_mugs() -> list[dict[str, object]]:
    return [dict(line, cancelled=0 if number else line["quantity"]) for number, line in enumerate(LINES)]
