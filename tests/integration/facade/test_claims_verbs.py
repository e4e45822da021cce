"""`strangler claims`: what has no answer is listed with its next step; what nothing came of is released, audited."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from outbox.connection import PsycopgConnection
from strangler.cli import main
from strangler.local.process import Running
from strangler.step.intents import Json
from tests.integration.facade.client import Answer, ask, order
from tests.integration.facade.conftest import PLAN
from tests.integration.facade.shop import Shop
from tests.support.http_stub import HANG_UP, HttpStub, answer

AUDIT = "SELECT claim, subject_ref, route, actor, reason FROM strangler.claim_release WHERE claim = %s"
UNDER_WAY = "UPDATE strangler.idempotency SET lease_until = now() + interval '1 h' WHERE subject_ref = %s"
Run = Callable[..., dict[str, Json]]


@pytest.fixture
def shop(app: HttpStub) -> Shop:
    return Shop(app)


@pytest.fixture
def run(dsn: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*argv: str, code: int = 0) -> dict[str, Json]:
        assert main(["claims", *argv, "--dsn", dsn, "--plan", str(PLAN), "--json"]) == code
        out = capsys.readouterr().out
        return dict(json.loads(out)) if out else {}

    return run


@pytest.fixture
def ref(facade: Running, shop: Shop, key: str) -> str:
    """Of an order that is there."""
    return str(order(facade, f"{key}-o").json()["order_ref"])


@pytest.fixture
def cancel(facade: Running, ref: str, key: str) -> Callable[[], Answer]:
    """The order, under one key."""
    return lambda: ask(facade, "POST", f"/orders/{ref}/cancellations", b"{}", {"Idempotency-Key": key})


def claim_of(run: Run, ref: str) -> dict[str, Json]:
    (one,) = [one for one in run("list", "--limit", "1000")["claims"] if one["subject_ref"] == ref]
    return dict(one)


def test_a_lost_command_is_listed_and_once_released_carried_out(
    shop: Shop, connection: PsycopgConnection, run: Run, ref: str, cancel: Callable[[], Answer]
) -> None:
    shop.refuse = True
    assert cancel().status == 502
    shop.refuse = False
    one = claim_of(run, ref)
    assert (one["state"], one["route"]) == ("unknown", "POST /orders/{ref}/cancellations")
    assert one["age_s"] >= 0
    assert f"strangler claims release {one['claim']}" in one["next_step"]
    told = ["release", one["claim"], "--reason", "it is not cancelled", "--actor", "ann"]
    assert run(*told, "--dry-run") == {"claim": one["claim"], "subject_ref": ref, "dry_run": True}
    assert cancel().status == 409
    run(*told)
    expected = [(one["claim"], ref, one["route"], "ann", "it is not cancelled")]
    assert connection.execute(AUDIT, (one["claim"],)).fetchall() == expected
    assert claim_of(run, ref)["state"] == "released"
    first, again = cancel(), cancel()
    assert (first.status, again.field("Idempotency-Replayed"), again.body) == (201, "?1", first.body)
    assert len(shop.posted) == 3
    run(*told, code=1)  # it has its answer


def test_what_is_under_way_is_not_released(
    shop: Shop, connection: PsycopgConnection, run: Run, ref: str, cancel: Callable[[], Answer]
) -> None:
    shop.refuse = True
    cancel()
    connection.execute(UNDER_WAY, (ref,))
    one = claim_of(run, ref)
    assert (one["state"], one["next_step"].partition(":")[0]) == ("under_way", "wait")
    run("release", one["claim"], "--reason", "impatience", code=1)
    assert connection.execute(AUDIT, (one["claim"],)).fetchall() == []


def test_an_order_of_which_the_application_cannot_say_is_released_and_sent_again(
    facade: Running, shop: Shop, run: Run, key: str
) -> None:
    shop.app.reply = lambda seen: answer(500, b"down") if seen.method == "GET" else HANG_UP
    assert [order(facade, key).status for _ in range(2)] == [503, 503]
    one = claim_of(run, shop.posted[0].values("Strangler-Order-Ref")[0])
    assert "sent again" in one["next_step"]
    run("release", one["claim"], "--reason", "no such order")
    shop.app.reply = shop.reply
    assert order(facade, key).status == 201
    assert order(facade, key, b"{}").status == 422


def test_nothing_open_is_said_in_words(dsn: str, capsys: pytest.CaptureFixture[str], run: Run) -> None:
    run("list")
    assert main(["claims", "list", "--dsn", dsn, "--plan", str(PLAN)]) == 0
    assert capsys.readouterr().out
