"""The disease, with real processes: payment taken and order missing, duplicates, a batch that stops the shop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psycopg
import pytest
import requests

from legacy_app.rehearsal.accounts.disease import count_disease
from strangler.local.stack import Stack
from tests.integration.legacy_shop import Shop, open_shop, order
from tests.support.waiting import wait_until

FREE = "SELECT FROM legacy.stock FOR UPDATE SKIP LOCKED"
HEALTHY = {"slow_share": 0, "effect_then_slow_share": 0}
Symptoms = Callable[[], dict[str, int]]


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(stack, tmp_path_factory.mktemp("ledgers"), workers=2) as opened:
        yield opened


@pytest.fixture
def symptoms(shop: Shop) -> Iterator[Symptoms]:
    """What has come of the disease since the test began; afterwards the provider is healthy again."""

    def count() -> dict[str, int]:
        return asdict(count_disease(shop.dsn, shop.vendors.url))

    before = count()
    yield lambda: {name: value - before[name] for name, value in count().items() if value != before[name]}
    shop.turn("payments", **HEALTHY)


def test_a_provider_that_charges_first_and_answers_late_leaves_a_payment_without_an_order(
    stack: Stack, tmp_path: Path
) -> None:
    with open_shop(stack, tmp_path, workers=1, timeout_s=2) as shop:
        shop.turn("payments", effect_then_slow_share=1, effect_then_slow_ms=6_000)
        with suppress(requests.ConnectionError):  # the worker is killed with the request in its hands
            assert shop.place(order("late", ("A", 1, 100))).status_code == 500
        found = count_disease(shop.dsn, shop.vendors.url)

    assert (found.orders, found.payments_without_order, found.mails_without_order) == (0, 1, 0)


def test_a_client_that_retries_gets_a_second_order(shop: Shop, symptoms: Symptoms) -> None:
    shop.turn("payments", slow_share=1, slow_ms=800)
    body = order("retried", ("A", 1, 100))

    with pytest.raises(requests.Timeout):
        requests.post(f"{shop.monolith.url}/orders", json=body, timeout=0.4)
    shop.place(body)

    both = {"orders": 2, "duplicate_orders": 1, "double_charged": 1}
    wait_until(lambda: symptoms() == both, symptoms)


def test_a_charge_of_a_rejected_order_is_a_payment_without_an_order_until_it_is_refunded(
    shop: Shop, symptoms: Symptoms
) -> None:
    ref = shop.place(order("rejected", ("A", 1, 100))).json()["order_ref"]
    with psycopg.connect(shop.dsn) as connection:
        connection.execute("UPDATE legacy.orders SET status = 'rejected' WHERE order_ref = %s", (ref,))
    charged = symptoms()
    refund = {"order_ref": ref, "amount_minor": 100}
    headers = {"Idempotency-Key": f"{ref}:payment:100"}
    requests.post(f"{shop.vendors.url}/payments/refunds", json=refund, headers=headers, timeout=30).raise_for_status()

    assert charged == {"payments_without_order": 1, "mails_without_order": 1}
    assert symptoms() == {"mails_without_order": 1}


def test_a_shop_with_the_disease_fails_its_own_check(shop: Shop) -> None:
    for _ in range(2):
        shop.place(order("twice", ("A", 1, 100)))

    ran = shop.run("disease", "--json")

    assert ran.returncode == 1
    assert json.loads(ran.stdout)["duplicate_orders"] >= 1


def test_the_nightly_batch_stops_orders_until_it_is_done(shop: Shop, symptoms: Symptoms) -> None:
    assert shop.place(order("by day", ("A", 1, 100))).status_code == 201
    argv = [sys.executable, "-m", "legacy_app", "nightly", "--hold-s", "60"]
    with subprocess.Popen(argv, env={**os.environ, **shop.environ}) as batch:
        wait_until(lambda: shop.rows(FREE) == [])
        placing = threading.Thread(target=shop.place, args=(order("by night", ("A", 1, 100)),))
        placing.start()
        blocked = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_until(lambda: len(shop.rows(blocked)) > 0)
        batch.kill()
    placing.join(30)

    assert symptoms() == {"orders": 2}


def test_the_nightly_batch_settles_with_merchants(shop: Shop) -> None:
    for client_ref, pieces in (("m1", 2), ("m2", 1)):
        sold = order(client_ref, ("A", pieces, 100), channel="marketplace", merchant_id="merchant-1")
        assert shop.place(sold).status_code == 201

    settled = json.loads(shop.run("nightly", "--json").stdout)

    assert (settled["skus"], settled["merchants"]) == (1, 1)
    sql = "SELECT merchant_id, orders, due_minor FROM legacy.merchant_settlement"
    assert shop.rows(sql) == [("merchant-1", 2, 300)]


def test_ledgers_survive_a_kill_of_the_vendors(shop: Shop) -> None:
    shop.place(order("kept", ("A", 1, 100)))
    before = shop.ledger("payments")
    shop.vendors.kill()
    shop.vendors.start()

    assert shop.ledger("payments") == before
    assert len(before) >= 1
