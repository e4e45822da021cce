"""A shop whose payment stands in the middle of its chain, taken over by a service: in time, late, and refused."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from strangler.local.stack import Stack
from tests.strangers.running import Application
from tests.strangers.strangled import Town, lines_of_strangling, strangled
from tests.support.waiting import wait_until

TOPICS = ("order", "payment")
NEW = "epoch=3, payment=new"


@pytest.fixture(scope="module", params=["psycopg2", "psycopg"])
def town(request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """With a relay, the service and the resumer."""
    with strangled(stack, "shop", tmp_path_factory.mktemp("shop"), TOPICS, driver=request.param) as town:
        town.toolkit("outbox", "relay")
        town.toolkit("strangler", "run", "payment")
        town.resume("shop.app:create_app")
        yield town


@pytest.fixture(scope="module")
def patient(town: Town) -> Application:
    """Its requests wait for as long as a test needs."""
    return town.serve(WAIT_S="20")


@pytest.fixture(scope="module")
def hasty(town: Town) -> Application:
    """Its requests wait for nothing."""
    return town.serve(WAIT_S="0")


def place(shop: Application, owners: str = NEW, cents: int = 500, ref: str = "") -> tuple[str, requests.Response]:
    ref = ref or f"o-{secrets.token_hex(5)}"
    headers = {"Strangler-Order-Ref": ref, "Strangler-Ownership": owners}
    return ref, shop.send("POST", "/orders", json={"email": "ann@example.invalid", "cents": cents}, headers=headers)


def charges(shop: Application, ref: str) -> list[Any]:
    return [(one["key"], one["requests"]) for one in shop.ledger("charges") if (one["key"] or "").startswith(f"{ref}:")]


@pytest.mark.parametrize("owners", [NEW, "epoch=3", "epoch=3, payment=shadow"])
def test_in_time_the_client_hears_what_it_heard_before(patient: Application, owners: str) -> None:
    ref, paid = place(patient, owners)
    _, declined = place(patient, owners, cents=500_000)

    assert (paid.status_code, paid.json()["status"], paid.json()["receipt"][:2]) == (201, "paid", "R-")
    assert (declined.status_code, declined.json()) == (402, {"error": "the card was declined"})
    assert charges(patient, ref) == [(f"{ref}:payment:100", 1)]


def test_late_it_is_told_where_to_look_and_another_process_goes_on(town: Town, hasty: Application) -> None:
    ref, answer = place(hasty)
    refused, second = place(hasty, cents=500_000)

    assert [(one.status_code, one.json()["status"]) for one in (answer, second)] == [(202, "new")] * 2
    assert answer.headers["Location"] == f"/strangler/status/{ref}"
    sql = "SELECT status FROM shop_orders WHERE subject_ref = ANY (%s) ORDER BY status"
    wait_until(lambda: town.rows(sql, [ref, refused]) == [("paid",), ("refused",)])
    looked = [hasty.send("GET", f"/strangler/status/{one}").json()["status"] for one in (ref, refused)]
    again = [place(hasty, ref=ref)[1], place(hasty, ref=refused)[1]]
    assert looked == ["done", "refused"]
    assert [(one.status_code, one.json()["status"]) for one in again] == [(201, "paid"), (402, "refused")]
    assert charges(hasty, ref) == [(f"{ref}:payment:100", 1)]
    assert town.rows("SELECT count(receipt) FROM shop_orders WHERE subject_ref = %s", ref) == [(1,)]


@pytest.mark.no_kafka
def test_a_step_of_the_middle_takes_at_most_a_hundred_lines() -> None:
    assert lines_of_strangling("shop") <= 100
