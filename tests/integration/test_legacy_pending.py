"""Orders whose middle the new side has: kept as pending, waited for, gone on with once, answered with the truth."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import requests

from strangler.continuation import table as continuation
from strangler.continuation.table import StepOutcome
from strangler.local.stack import Stack
from tests.integration.legacy_shop import INTERNAL, LINES, Shop, broken_contracts, mails, open_shop, order
from tests.integration.new_side import answering, say, until
from tests.support.orders import MIDDLE
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka

TAIL = ("notification", "search", "recommendation")
MIXES = [mix for count in (1, 2, 3) for mix in itertools.combinations(MIDDLE, count)]
OPEN = """SELECT pid, xact_start FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"""
LOOK_UP, STATUS = "/internal/strangler/subjects/", "/strangler/status/"
PENDING = "SELECT FROM strangler.continuation WHERE subject_ref = %s AND state = 'waiting'"


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Its requests wait for as long as a test needs."""
    with open_shop(stack, tmp_path_factory.mktemp("ledgers"), LEGACY_WAIT_S="20") as opened:
        yield opened


@pytest.fixture(scope="module")
def hasty(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Its requests wait for nothing."""
    with open_shop(stack, tmp_path_factory.mktemp("ledgers"), LEGACY_WAIT_S="0") as opened:
        yield opened


@pytest.fixture
def ref() -> str:
    """An order reference and client reference of this test alone."""
    return f"t-{secrets.token_hex(6)}"


def place(shop: Shop, ref: str, new: Sequence[str]) -> requests.Response:
    header = ", ".join(["epoch=3", *(f"{step}=new" for step in new)])
    return shop.place(order(ref, *LINES), Strangler_Order_Ref=ref, Strangler_Ownership=header)


def look(shop: Shop, *paths: str) -> list[requests.Response]:
    headers = {"Authorization": f"Bearer {INTERNAL}"}
    return [requests.get(shop.monolith.url + path, headers=headers, timeout=30) for path in paths]


def events(shop: Shop, ref: str) -> list[str]:
    """Their types, sorted, with who says it."""
    sql = """SELECT concat_ws(' by ', type, convert_from(payload, 'UTF8')::jsonb #>> '{outcome,by}')
             FROM outbox.outbox WHERE aggregateid = %s ORDER BY 1"""
    return [said for (said,) in shop.rows(sql, ref)]


@pytest.mark.parametrize("tail", [(), TAIL], ids=["legacy tail", "new tail"])
@pytest.mark.parametrize("mix", MIXES, ids="+".join)
def test_with_any_mix_of_owners_each_step_runs_once_on_its_side(
    shop: Shop, ref: str, mix: Sequence[str], tail: Sequence[str]
) -> None:
    with answering(shop.dsn):
        answer = place(shop, ref, (*mix, *tail))

    assert (answer.status_code, answer.json()) == (
        201,
        {"order_ref": ref, "status": "placed", "version": 1, "total_minor": 950},
    )
    by_legacy = {"fraud": "FraudCleared", "inventory": "StockReserved", "payment": "PaymentTaken"}
    told = [f"{by_legacy[step]} by legacy" for step in MIDDLE if step not in mix]
    assert events(shop, ref) == sorted(["OrderReceived", *told, "OrderPlaced"])
    tables = {"fraud": "legacy.fraud_score", "inventory": "inventory.stock_hold", "payment": "legacy.payment"}
    for step, table in tables.items():
        rows = shop.rows(f"SELECT DISTINCT order_ref FROM {table} WHERE order_ref = %s", ref)
        assert len(rows) == (step not in mix), step
    assert len(mails(shop, ref)) == (not tail)
    assert len(shop.rows("SELECT FROM legacy.search_document WHERE order_ref = %s", ref)) == (not tail)
    states = shop.rows("SELECT DISTINCT state FROM strangler.continuation WHERE subject_ref = %s", ref)
    assert states == [("done",)]


def test_a_request_that_waits_holds_no_transaction(shop: Shop, ref: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(place, shop, ref, MIDDLE)
        until(shop.dsn, PENDING, ref)
        held = set(shop.rows(OPEN))  # woken, it looks and goes on waiting: open for an instant is not held
        wait_until(lambda: not held & set(shop.rows(OPEN)), lambda: held)
        wait_until(lambda: shop.rows(OPEN) == [])
        assert not waiting.done()
        shown, looked_up, status = look(shop, f"/orders/{ref}", f"{LOOK_UP}{ref}", f"{STATUS}{ref}")
        cancelled = shop.cancel(ref, "C1", ("A", 1))
        say(shop.dsn, ref, *MIDDLE)
        answer = waiting.result()

    assert (shown.status_code, shown.json()["status"]) == (200, "pending")
    assert (looked_up.status_code, looked_up.headers["Strangler-Creation-Status"]) == (200, "202")
    assert looked_up.json() == shown.json()
    assert (status.status_code, status.json()) == (200, {"status": "pending"})
    assert (cancelled.status_code, cancelled.headers["Retry-After"]) == (409, "1")
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("step", "status", "reason"),
    [
        ("fraud", 422, "too risky"),
        ("inventory", 409, "A is sold out: 3 pieces short; order fewer"),
        ("payment", 402, "card declined"),
    ],
)
def test_a_refused_outcome_rejects_the_order_and_says_why(
    shop: Shop, ref: str, step: str, status: int, reason: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(place, shop, ref, MIDDLE)
        until(shop.dsn, PENDING, ref)
        say(shop.dsn, ref, *MIDDLE[: MIDDLE.index(step) + 1], refused=True)
        answer = waiting.result()

    assert (answer.status_code, answer.json()["status"]) == (status, "rejected")
    assert answer.json()["rejection"] == {"by": step, "reason": reason}
    assert events(shop, ref) == ["OrderReceived", "OrderRejected"]
    shown, looked_up, told = look(shop, f"/orders/{ref}", f"{LOOK_UP}{ref}", f"{STATUS}{ref}")
    assert (shown.status_code, shown.json()) == (200, answer.json())
    assert (looked_up.headers["Strangler-Creation-Status"], looked_up.json()) == (str(status), answer.json())
    assert told.json() == {"status": "refused"}
    again = place(shop, ref, MIDDLE)
    assert (again.status_code, again.json()) == (status, answer.json())
    cancelled = shop.cancel(ref, "C1", ("A", 1))
    assert (cancelled.status_code, "Retry-After" in cancelled.headers) == (409, False)


def test_what_legacy_had_reserved_is_given_back_when_the_new_side_refuses(shop: Shop, ref: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(place, shop, ref, ["payment"])
        until(shop.dsn, PENDING, ref)
        say(shop.dsn, ref, "payment", refused=True)
        assert waiting.result().status_code == 402

    holds = shop.rows("SELECT number, sku, pieces FROM inventory.stock_hold WHERE order_ref = %s ORDER BY 1, 2", ref)
    assert holds == [(100, "A", 1), (100, "B", 3), (200, "A", -1), (200, "B", -3)]


def test_a_legacy_step_that_refuses_after_the_pause_rejects_the_order(shop: Shop, ref: str) -> None:
    lines = [("rare", 1_000_001, 1)]
    header = {"Strangler_Order_Ref": ref, "Strangler_Ownership": "epoch=3, fraud=new"}
    with answering(shop.dsn):
        answer = shop.place(order(ref, *lines), **header)

    assert (answer.status_code, answer.json()["rejection"]["by"]) == (409, "inventory")
    assert answer.json()["rejection"]["reason"] == "rare is sold out: 1 pieces short; order fewer"
    assert events(shop, ref) == ["OrderReceived", "OrderRejected", "StockRefused by legacy"]
    assert shop.rows("SELECT FROM inventory.stock_hold WHERE order_ref = %s", ref) == []


@pytest.mark.parametrize("new", [[], ["fraud"]], ids=["all legacy", "behind the pause"])
def test_a_declined_payment_is_the_last_word(shop: Shop, ref: str, new: Sequence[str]) -> None:
    shop.turn("payments", decline_share=1)
    try:
        with answering(shop.dsn):
            answer = place(shop, ref, new)
    finally:
        shop.turn("payments", decline_share=0)

    assert answer.status_code == 402
    stored = ["OrderReceived", "OrderRejected", "PaymentRefused by legacy"] if new else []
    assert events(shop, ref) == stored
    assert shop.rows("SELECT FROM inventory.stock_hold WHERE order_ref = %s", ref) == []
    assert [entry for entry in shop.ledger("payments") if entry["body"]["client_ref"] == ref] == []


def test_without_an_outcome_in_time_the_answer_is_202_and_where_to_look(hasty: Shop, ref: str) -> None:
    answer, again = place(hasty, ref, MIDDLE), place(hasty, ref, MIDDLE)

    assert (answer.status_code, answer.headers["Location"]) == (202, f"{STATUS}{ref}")
    assert answer.json() == {"order_ref": ref, "status": "pending", "version": 1, "total_minor": 950}
    assert (again.status_code, again.json()) == (202, answer.json())
    assert events(hasty, ref) == ["OrderReceived"]
    given_up = "SELECT wait_until <= now() FROM strangler.continuation WHERE subject_ref = %s"
    assert hasty.rows(given_up, ref) == [(True,)]


def test_an_outcome_that_is_just_being_stored_holds_no_answer_up(hasty: Shop, ref: str) -> None:
    place(hasty, ref, MIDDLE)
    impatient = psycopg.connect(hasty.dsn, options="-c lock_timeout=200ms")
    with psycopg.connect(hasty.dsn) as storing, impatient as answerer:
        assert continuation.store(storing, [StepOutcome(ref, "payment", False, {})]) == 1
        continuation.give_up(answerer, ref)
        assert not continuation.is_ready(answerer, ref)
        storing.commit()
        assert continuation.is_ready(answerer, ref)


def test_a_vendor_that_fails_after_the_pause_leaves_the_order_to_the_next_try(shop: Shop, ref: str) -> None:
    shop.turn("mail", error_share=1)
    try:
        with answering(shop.dsn):
            answer = place(shop, ref, ["payment"])
    finally:
        shop.turn("mail", error_share=0)

    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    state = "SELECT state, wait_until <= now() FROM strangler.continuation WHERE subject_ref = %s"
    assert shop.rows(state, ref) == [("ready", True)]
    assert "OrderPlaced" not in events(shop, ref)


def test_what_the_monolith_appends_keeps_its_contracts(shop: Shop, ref: str) -> None:
    assert place(shop, ref, ()).status_code == 201
    assert shop.cancel(ref, f"C-{ref}", ("A", 1)).status_code == 201
    with answering(shop.dsn):
        header = {"Strangler_Order_Ref": f"{ref}-r", "Strangler_Ownership": "epoch=3, fraud=new"}
        assert shop.place(order(f"{ref}-r", ("rare", 1_000_001, 1)), **header).status_code == 409

    appended = {said.partition(" ")[0] for each in (ref, f"{ref}-r") for said in events(shop, each)}
    assert broken_contracts(shop.dsn) == []
    orders = {"OrderReceived", "OrderPlaced", "OrderCancelled", "OrderRejected"}
    assert appended == orders | {"FraudCleared", "StockReserved", "StockRefused", "PaymentTaken"}
