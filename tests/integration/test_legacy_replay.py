"""The replay client against the shop: its account adds up, and it ends cleanly whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from strangler.local.stack import Stack
from tests.integration.legacy_shop import ADMIN, Shop, open_shop
from tests.support.waiting import comes_true

PATIENT = ("--timeout-s", "20", "--attempts", "8")


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(stack, tmp_path_factory.mktemp("ledgers"), workers=4) as opened:
        yield opened


def test_orders_and_their_cancellations_arrive(shop: Shop, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    ran = shop.run("replay", *PATIENT, "--orders", "30", "--ref-suffix=-a", "--out", str(out), "--json")

    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout)
    assert (summary["offered"], summary["accepted"], summary["not_accepted"]) == (30, 30, 0)
    assert summary["cancellations_offered"] == summary["cancellations_accepted"] > 0
    assert summary["input"]["lines"] == 12_985
    assert summary["input"]["rejected_by_reason"] == {"negative_quantity": 48, "price_not_positive": 7}
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    stored = shop.rows("SELECT client_ref, order_ref FROM legacy.orders WHERE client_ref LIKE %s", "%-a")
    assert sorted((answer["client_ref"], answer["order_ref"]) for answer in answers) == sorted(stored)


def test_a_dry_run_sends_nothing_and_names_the_first_order(shop: Shop) -> None:
    ran = shop.run("replay", "--orders", "5", "--offset", "2", "--ref-suffix=-dry", "--dry-run", "--json")

    assert json.loads(ran.stdout)["first_client_ref"].endswith("-dry")
    assert shop.rows("SELECT FROM legacy.orders WHERE client_ref LIKE %s", "%-dry") == []


def test_a_file_with_fewer_orders_is_replayed_and_said(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    header = "invoice_no,invoiced_at,customer_id,country,stock_code,description,quantity,unit_price\n"
    file.write_text(header + "1,2011-06-01T08:26,17,UK,A,X,1,1\n2,2011-06-01T08:26,17,UK,A,X,1,free\n")

    ran = shop.run("replay", "--orders", "9", "--orders-file", str(file), "--json")

    assert ran.returncode == 0
    assert "has 1 orders" in ran.stderr
    assert json.loads(ran.stdout)["input"]["rejected_by_reason"] == {"bad_price": 1}


def test_ctrl_c_ends_with_the_summary_so_far(shop: Shop) -> None:
    shop.turn("fraud", latency_ms=150)
    argv = [sys.executable, "-m", "legacy_app", "replay", *PATIENT, "--orders", "500", "--ref-suffix=-c", "--json"]
    with subprocess.Popen(argv, env={**os.environ, **shop.environ}, stdout=subprocess.PIPE, text=True) as client:
        sql = "SELECT FROM legacy.orders WHERE client_ref LIKE %s"
        begun = comes_true(lambda: len(shop.rows(sql, "%-c")) > 3)
        client.send_signal(signal.SIGINT)
        said, _ = client.communicate(timeout=30)
    shop.turn("fraud", latency_ms=0)

    assert begun
    summary = json.loads(said)
    assert client.returncode == 1
    assert summary["interrupted"]
    assert 0 < summary["accepted"] <= summary["offered"] < 500


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["--orders-file", "/nowhere.csv"], 2, "cannot be read"),
        (["--orders", "0"], 2, "argument --orders: '0' is no such number"),
        (["--timeout-s", "nan"], 2, "argument --timeout-s: 'nan' is no such time"),
        (["--url", "http://127.0.0.1:1"], 3, "nothing answers"),
        (["--url", "ftp://x"], 2, "is not an address"),
    ],
)
def test_bad_arguments_say_what_to_do(shop: Shop, argv: list[str], code: int, says: str) -> None:
    ran = shop.run("replay", *argv)

    assert (ran.returncode, says in ran.stderr) == (code, True), ran.stderr


def test_a_throttling_shop_is_retried_and_counted(shop: Shop) -> None:
    shop.turn("fraud", error_share=0.4, seed=1)
    ran = shop.run("replay", *PATIENT, "--orders", "10", "--ref-suffix=-t", "--no-cancellations", "--json")
    shop.turn("fraud", error_share=0)

    summary = json.loads(ran.stdout)
    assert summary["attempts"] > summary["offered"] == 10
    assert summary["accepted"] == 10


def test_vendor_routes_refuse_what_they_cannot_work_with(shop: Shop) -> None:
    url = shop.vendors.url
    key = {"Idempotency-Key": "k"}

    def post(path: str, body: object, headers: dict[str, str]) -> int:
        return requests.post(url + path, json=body, headers=headers, timeout=30).status_code

    assert post("/payments/charges", {"order_ref": "o", "amount_minor": 1}, {}) == 400
    assert post("/payments/charges", {"order_ref": "o", "amount_minor": "1"}, key) == 400
    assert post("/payments/charges", [], key) == 400
    assert post("/mail/messages", {"text": "x" * 70_000}, key) == 413
    assert requests.put(f"{url}/knobs/mail", json={}, timeout=30).status_code == 401
    wrong = {"Authorization": f"Bearer {ADMIN}"}
    assert requests.put(f"{url}/knobs/mail", json={"speed": 1}, headers=wrong, timeout=30).status_code == 400
    assert requests.put(f"{url}/knobs/post", json={}, headers=wrong, timeout=30).status_code == 404
    assert requests.get(f"{url}/mail/messages/none:at:all", timeout=30).status_code == 404


def test_a_mail_is_looked_up_by_its_key_and_forgotten_on_request(shop: Shop) -> None:
    url, key = shop.vendors.url, "o:notification:100"
    mail = {"to": "a@example.invalid", "template": "t", "order_ref": "o", "subject_ref": "s", "total_minor": 1}
    answer = requests.post(f"{url}/mail/messages", json=mail, headers={"Idempotency-Key": key}, timeout=30)

    assert answer.status_code == 202
    assert requests.get(f"{url}/mail/messages/{key}", timeout=30).status_code == 200
    token = {"Authorization": f"Bearer {ADMIN}"}
    assert requests.delete(f"{url}/ledger/mail/{key}", timeout=30).status_code == 401
    assert requests.delete(f"{url}/ledger/mail/{key}", headers=token, timeout=30).status_code == 200
    assert requests.get(f"{url}/mail/messages/{key}", timeout=30).status_code == 404
