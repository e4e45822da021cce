"""An application below a base path looks to clients as if it had none."""

from __future__ import annotations

import pytest

from outbox.connection import PsycopgConnection
from strangler.local.process import Running
from tests.integration.facade.client import ask, order
from tests.integration.facade.conftest import StartFacade
from tests.support.http_stub import HANG_UP, HttpStub, Reply, Seen, answer

END_LEASE = "UPDATE strangler.idempotency SET lease_until = now() WHERE key = %s"


@pytest.fixture(scope="module")
def facade(launch: StartFacade, shared_app: HttpStub) -> Running:
    return launch(upstream=f"{shared_app.url}/shop/")


def test_targets_get_the_base_and_places_lose_it(facade: Running, app: HttpStub) -> None:
    app.reply = lambda _: answer(302, b"", "Location: /shop/next", "Set-Cookie: s=1; Path=/shop")
    got = ask(facade, "GET", "/%61?b=/shop")
    assert [seen.target for seen in app.seen] == ["/shop/%61?b=/shop"]
    assert (got.field("Location"), got.field("Set-Cookie")) == ("/next", "s=1; Path=/")


def test_a_place_made_of_the_host_that_was_forwarded_loses_the_base_too(facade: Running, app: HttpStub) -> None:
    app.reply = lambda seen: answer(302, b"", f"Location: http://{seen.value('x-forwarded-host')}/shop/next")
    got = ask(facade, "GET", "/x", fields={"X-Forwarded-Host": "shop.example"})
    assert got.field("Location") == "http://shop.example/next"


def test_owned_requests_are_claimed_and_given_again_without_the_base(facade: Running, app: HttpStub, key: str) -> None:
    app.reply = lambda seen: answer(201, b"{}", f"Location: http://{seen.value('host')}/shop/orders/1")
    first, again = order(facade, key), order(facade, key)
    assert [seen.target for seen in app.seen] == ["/shop/orders"]
    assert first.field("Location") == again.field("Location") == f"http://127.0.0.1:{facade.port}/orders/1"
    assert again.field("Idempotency-Replayed") == "?1"


def test_lost_answers_are_looked_up_below_the_base(
    facade: Running, app: HttpStub, connection: PsycopgConnection, key: str
) -> None:
    def reply(seen: Seen) -> Reply:
        return HANG_UP if seen.method == "POST" else answer(200, b"{}")

    app.reply = reply
    assert order(facade, key).status == 201
    ref = app.asked("POST")[0].value("Strangler-Order-Ref")
    assert [seen.target for seen in app.asked("GET")] == [f"/shop/orders/{ref}"]


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("/../admin", {}),
        ("/..%2fshop/orders", {}),
        ("/x", {"X-Original-URL": "/shop/orders"}),
        ("/x", {"X-Rewrite-Url": "/y"}),
    ],
)
def test_what_leads_out_of_the_base_is_refused(
    facade: Running, app: HttpStub, target: str, fields: dict[str, str]
) -> None:
    got = ask(facade, "POST", target, b"", fields)
    assert (got.status, got.json()["effect"], app.seen) == (400, "none", [])
