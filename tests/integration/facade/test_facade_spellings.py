"""In front of a real application, no spelling of a request is carried out beside its claim."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from outbox.connection import PsycopgConnection
from strangler.facade.idempotency import mint_ref
from strangler.local.process import Running
from strangler.local.stack import Stack
from strangler.routes import ANONYMOUS
from tests.integration.facade.client import ask, send
from tests.integration.facade.conftest import StartFacade

SPELLINGS = [
    *("/orders", "//orders", "///orders", "/%2Forders", "//%2Forders", "http://h//orders", "http://h/%2Forders"),
    *("ftp://h/orders", "http:/orders", "orders", "/orders/", "/orders%2F", "/%6Frders", "/orders?", "//orders/"),
]
CANCELLATIONS = [
    "/orders/{}/cancellations",
    "/orders%2F{}/cancellations",
    "//orders/{}%2Fcancellations",
    "/orders/{}/cancellations/",
]
PINNED = """SELECT count(*), count(ownership.subject_ref)
FROM strangler.idempotency LEFT JOIN strangler.ownership USING (subject_ref) WHERE key = %s"""
OWNED = "SELECT count(*) FROM strangler.ownership WHERE subject_ref = %s"


@pytest.fixture(scope="module", params=["strict", "lenient"])
def shop(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Running]:
    port = stack.take_port()
    running = stack.spawn(
        f"flask-{port}",
        [sys.executable, "-m", "tests.integration.facade.flask_shop"],
        env={"STRICT_SLASHES": "1" if request.param == "strict" else "0"},
        port_env="PORT",
        port=port,
        ready_path="/ledger",
    )
    yield running
    running.kill()


@pytest.fixture(scope="module")
def facade(launch: StartFacade, shop: Running) -> Running:
    return launch(upstream=f"http://127.0.0.1:{shop.port}")


def post(facade: Running, target: str, key: str, *, method: str = "POST", field: str = "") -> tuple[int, bytes]:
    """Status and body of a request whose target goes as it is written."""
    head = f"{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n{field}"
    got = send(facade, f"{head}Idempotency-Key: {key}\r\n\r\n{{}}".encode())
    return int(got.split(b" ")[1]), got.partition(b"\r\n\r\n")[2]


def carried_out(shop: Running) -> list[dict[str, str]]:
    return list(json.loads(ask(shop, "GET", "/ledger").body))


def test_every_spelling_of_one_order_is_one_order(
    facade: Running, shop: Running, connection: PsycopgConnection, key: str
) -> None:
    before = len(carried_out(shop))
    answers = {target: post(facade, target, key) for target in SPELLINGS}
    assert len(carried_out(shop)) == before + 1
    taken = {target: body for target, (status, body) in answers.items() if status == 201}
    refused = {target for target, (status, _) in answers.items() if status == 400}
    assert len(set(taken.values())) == 1
    assert refused == set(SPELLINGS) - set(taken) == {"ftp://h/orders", "http:/orders", "orders"}
    assert json.loads(answers["ftp://h/orders"][1])["effect"] == "none"
    assert connection.execute(PINNED, (key,)).fetchone() == (1, 1)


@pytest.mark.parametrize("spelling", SPELLINGS[1:])
def test_a_spelling_is_owned_when_it_comes_first(
    facade: Running, shop: Running, connection: PsycopgConnection, key: str, spelling: str
) -> None:
    before = len(carried_out(shop))
    status, _ = post(facade, spelling, key)
    made = len(carried_out(shop)) - before
    assert (made, connection.execute(PINNED, (key,)).fetchone()) == ((1, (1, 1)) if status == 201 else (0, (0, 0)))
    assert post(facade, "/orders", key)[0] == 201
    assert len(carried_out(shop)) == before + 1


@pytest.mark.parametrize("spelling", CANCELLATIONS)
@pytest.mark.parametrize("written", ["R-1", "%20R1", "R%C3%A9", "a%2531"])
def test_a_command_is_carried_out_once_with_the_reference_as_the_application_sees_it(  # noqa: PLR0917 - a matrix
    facade: Running, shop: Running, connection: PsycopgConnection, key: str, spelling: str, written: str
) -> None:
    order_ref = unquote(written)
    before = len(carried_out(shop))
    status, first = post(facade, spelling.format(written), key)
    if status == 201:
        assert post(facade, CANCELLATIONS[0].format(written), key) == (201, first)
        made = carried_out(shop)[before:]
        assert [(each["ref"], each["header"] in (order_ref, None)) for each in made] == [(order_ref, True)]
        stored = "SELECT subject_ref FROM strangler.idempotency WHERE key = %s"
        assert connection.execute(stored, (key,)).fetchone() == (order_ref,)
    else:
        assert (status, carried_out(shop)[before:]) == (404, [])


@pytest.mark.parametrize("target", ["/orders/R%2F1/cancellations", "/orders;a", "/%256Frders", "/x/../orders"])
def test_what_the_application_does_not_take_leaves_nothing(
    facade: Running, shop: Running, connection: PsycopgConnection, key: str, target: str
) -> None:
    before = len(carried_out(shop))
    assert post(facade, target, key)[0] in (404, 405)
    assert connection.execute(PINNED, (key,)).fetchone() == (0, 0)
    assert connection.execute(OWNED, (mint_ref(ANONYMOUS, key),)).fetchone() == (0,)
    assert len(carried_out(shop)) == before
    assert post(facade, "/orders", key)[0] == 201


@pytest.mark.parametrize("method", ["post", "Post"])
def test_a_method_in_lower_case_is_refused(facade: Running, shop: Running, key: str, method: str) -> None:
    before = len(carried_out(shop))
    for target in ("/orders", "/elsewhere"):
        status, body = post(facade, target, key, method=method)
        assert (status, json.loads(body)["effect"]) == (400, "none")
    assert len(carried_out(shop)) == before


@pytest.mark.parametrize(
    ("method", "target", "field"),
    [
        ("PUT", "/orders", "X-HTTP-Method-Override: post"),
        ("PUT", "/orders", "X_Http_Method: POST"),
        ("PUT", "//orders", "X-Method-Override: POST"),
        ("POST", "/elsewhere", "X-Original-URL: /%6Frders"),
        ("PUT", "/elsewhere", "X-Rewrite-Url: //orders\r\nX-Http-Method-Override: POST"),
        ("POST", "/orders", "X-Original-URL: /orders/R-1/cancellations"),
        ("GET", "/elsewhere", "X-Original-Url: /internal/steps/s/orders/r"),
    ],
)
def test_a_request_that_a_field_makes_an_owned_one_is_refused(
    facade: Running, key: str, method: str, target: str, field: str
) -> None:
    status, body = post(facade, target, key, method=method, field=f"{field}\r\n")
    assert (status, json.loads(body)["effect"]) == (400, "none")


def test_an_override_that_changes_nothing_owned_passes(facade: Running, key: str) -> None:
    assert post(facade, "/ledger", key, method="GET", field="X-Original-URL: /ledger\r\n")[0] == 200
    assert post(facade, "/orders", key, field="X-Original-URL: //orders\r\nX-Http-Method: POST\r\n")[0] == 201


@pytest.mark.parametrize(
    "target", ["/internal/steps/s/orders/r", "//internal%2Fsteps/s/orders/r/", "/%69nternal/steps/s/orders/r"]
)
def test_a_hand_back_is_not_reached_by_clients(facade: Running, shop: Running, key: str, target: str) -> None:
    before = len(carried_out(shop))
    assert post(facade, target, key)[0] == 404
    assert len(carried_out(shop)) == before
