"""An application behind TLS: it must show who it is, and everything else is as by plain HTTP."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from strangler.hand_back.order import Legacy
from strangler.local.process import Running
from tests.integration.facade.client import Answer, ask, order
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.shop import Shop
from tests.support.certificates import certificate
from tests.support.facade_plan import plan
from tests.support.http_stub import HANG_UP, HttpStub, answer, http_stub


@pytest.fixture(scope="module")
def own_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secured(own_certificate: Path) -> Iterator[HttpStub]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own_certificate, own_certificate.with_suffix(".key"))
    with http_stub(tls=context) as app:
        yield app


@pytest.fixture
def facade(launch: StartFacade, secured: HttpStub, own_certificate: Path) -> Running:
    return launch("--upstream-ca-file", str(own_certificate), upstream=secured.url)


def test_requests_pass_and_connections_are_kept(facade: Running, secured: HttpStub, key: str) -> None:
    shop = Shop(secured)
    first, again = order(facade, key), order(facade, key)
    assert (first.status, again.field("Idempotency-Replayed"), len(shop.posted)) == (201, "?1", 1)
    secured.reply = lambda seen: answer(200, seen.body)
    assert [ask(facade, "GET", "/other").status for _ in range(5)] == [200] * 5
    assert secured.connections <= 2


def test_large_bodies_pass_both_ways(facade: Running, secured: HttpStub) -> None:
    secured.reply = lambda seen: answer(200, seen.body)
    body = bytes(range(256)) * 12_000
    assert ask(facade, "POST", "/other", body).body == body


def test_an_early_answer_is_passed_on(facade: Running, secured: HttpStub) -> None:
    secured.reply = lambda _: answer(401, b"no", "Connection: close")
    assert ask(facade, "POST", "/other", b"x").status == 401


def test_an_answer_that_is_cut_off_is_told(facade: Running, secured: HttpStub, key: str) -> None:
    secured.reply = lambda _: HANG_UP
    assert kind(order(facade, key)) == "outcome-unknown"


def test_who_signs_itself_is_not_trusted(launch: StartFacade, secured: HttpStub) -> None:
    facade = launch(upstream=secured.url)
    got = ask(facade, "GET", "/other")
    assert (got.status, kind(got)) == (503, "upstream-down")
    assert "certificate verify failed" in facade.log_path.read_text()
    assert not secured.seen


def test_a_certificate_of_another_host_is_refused(
    launch: StartFacade, secured: HttpStub, own_certificate: Path
) -> None:
    port = urlsplit(secured.url).port
    facade = launch("--upstream-ca-file", str(own_certificate), upstream=f"https://localhost:{port}")
    assert kind(ask(facade, "GET", "/other")) == "upstream-down"
    assert "not valid for 'localhost'" in facade.log_path.read_text()
    assert not secured.seen


def test_a_hand_back_trusts_the_same(secured: HttpStub, own_certificate: Path) -> None:
    environ = {"LEGACY_URL": secured.url, "LEGACY_CA_FILE": str(own_certificate), "STRANGLER_INTERNAL_TOKEN": "t" * 32}
    with requests.Session() as session:
        assert Legacy.at(environ, plan, session).has("R")
    with requests.Session() as session, pytest.raises(requests.exceptions.SSLError):
        Legacy.at({**environ, "LEGACY_CA_FILE": ""}, plan, session).has("R")


def kind(got: Answer) -> str:
    return str(got.json()["type"]).rpartition(":")[2]
