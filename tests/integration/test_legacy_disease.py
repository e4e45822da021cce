"""The disease, with real processes: payment taken and order missing, duplicates, a batch that stops the shop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests

from strangler.local.stack import Stack
from strangler.local.waiting import wait_until
from tests.integration.legacy_shop import Shop, open_shop, order


@pytest.fixture
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(stack, tmp_path_factory.mktemp("ledgers"), workers=2) as opened:
        yield opened


def disease(shop: Shop) -> dict[str, int]:
    counted: dict[str, int] = json.loads(shop.run("disease", "--json").stdout)
    return counted


def test_a_provider_that_charges_first_and_answers_late_leaves_a_payment_without_an_order(shop: Shop) -> None:
    shop.turn("payments", effect_then_slow_share=1, effect_then_slow_ms=5000)

    with suppress(requests.ConnectionError):  # the worker is killed with the request in its hands
        assert shop.place(order("1", ("A", 1, 100))).status_code == 500

    counted = disease(shop)
    assert (counted["payments_without_order"], counted["orders"], counted["settled"]) == (1, 0, True)


def test_a_client_that_retries_gets_a_second_order(shop: Shop) -> None:
    shop.turn("payments", slow_share=1, slow_ms=800)
    body = order("1", ("A", 1, 100))

    with pytest.raises(requests.Timeout):
        requests.post(f"{shop.monolith.url}/orders", json=body, timeout=0.4)
    shop.place(body)

    counted = disease(shop)
    assert (counted["orders"], counted["duplicate_orders"], counted["double_charged"]) == (2, 1, 1)


def test_the_nightly_batch_stops_orders_until_it_is_done(shop: Shop) -> None:
    assert shop.place(order("1", ("A", 1, 100))).status_code == 201
    argv = [sys.executable, "-m", "legacy_app", "nightly", "--hold-s", "60"]
    with subprocess.Popen(argv, env={**os.environ, **shop.environ}) as batch:
        holding = "SELECT FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
        assert wait_until(lambda: len(shop.rows(holding)) > 0, within_s=10)
        placing = threading.Thread(target=shop.place, args=(order("2", ("A", 1, 100)),))
        placing.start()
        blocked = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        assert wait_until(lambda: len(shop.rows(blocked)) > 0, within_s=5)
        batch.kill()
    placing.join(10)

    assert disease(shop)["orders"] == 2


def test_the_nightly_batch_settles_with_merchants(shop: Shop) -> None:
    shop.place(order("1", ("A", 2, 100), channel="marketplace", merchant_id="merchant-1"))
    shop.place(order("2", ("A", 1, 100), channel="marketplace", merchant_id="merchant-1"))

    settled = json.loads(shop.run("nightly", "--json").stdout)

    assert (settled["skus"], settled["merchants"]) == (1, 1)
    sql = "SELECT merchant_id, orders, due_minor FROM legacy.merchant_settlement"
    assert shop.rows(sql) == [("merchant-1", 2, 300)]


def test_ledgers_survive_a_kill_of_the_vendors(shop: Shop) -> None:
    shop.place(order("1", ("A", 1, 100)))
    before = shop.ledger("payments")
    shop.vendors.kill()
    shop.vendors.start()

    assert shop.ledger("payments") == before
    assert len(before) == 1
