"""A key is its caller's own: no client is answered what another one was, and none places an order twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from outbox.connection import PsycopgConnection
from strangler.facade.idempotency import mint_ref
from strangler.local.process import Running
from strangler.routes import ANONYMOUS
from tests.integration.facade.client import ORDER, Answer, ask
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.shop import Shop
from tests.support.http_stub import HttpStub

PLAN = Path(__file__).parents[2] / "support" / "facade_callers_plan.py"
EARLIER = """
INSERT INTO strangler.idempotency
    (tenant, key, fingerprint, subject_ref, state, lease_until, status, headers, body, expires_at)
VALUES ('anonymous', %(key)s, %(fingerprint)s, %(ref)s, %(state)s, now(), 201, %(headers)s, %(body)s,
        now() + %(left)s::interval)"""
NEW_HERE = {"Cookie": "session=new-here"}


@dataclass(frozen=True)
class Two:
    """Two clients of a route, by what each sends of itself."""

    path: str
    one: dict[str, str]
    other: dict[str, str]


TWO = [
    Two("/orders", {"Authorization": "Bearer secret-a"}, {"Authorization": "Bearer secret-b"}),
    Two("/orders", {"Cookie": "x=1; session=secret-a"}, {"Cookie": 'x=1; session="secret-b"'}),
    Two("/orders", {"X-Api-Key": "secret-a"}, {"x-api-key": "secret-b"}),
    Two("/orders", {"Cookie": "session=s"}, {"Cookie": "session=s", "Authorization": "Bearer secret-b"}),
    Two("/guests/orders", {"Cookie": "session=secret-a"}, {"Cookie": "session=secret-b"}),
    Two("/accounts/orders", {"Authorization": "Bearer secret-a.1"}, {"Authorization": "Bearer secret-b.1"}),
]


@pytest.fixture(scope="module")
def facade(launch: StartFacade) -> Running:
    return launch(plan=PLAN)


@pytest.fixture
def shop(app: HttpStub) -> Shop:
    return Shop(app)


def post(facade: Running, key: str, caller: dict[str, str], path: str = "/orders", body: bytes = ORDER) -> Answer:
    return ask(facade, "POST", path, body, {"Idempotency-Key": key, "Content-Type": "application/json", **caller})


def cookies_set(answer: Answer) -> list[str]:
    return [value for name, value in answer.fields if name.lower() == "set-cookie"]


def problem(answer: Answer) -> tuple[int, str, str]:
    found = answer.json()
    return answer.status, str(found["type"]).rpartition(":")[2], str(found["effect"])


@pytest.mark.parametrize("two", TWO, ids=str)
def test_two_callers_with_one_key_have_an_order_and_an_answer_each(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str, two: Two
) -> None:
    first, other = (post(facade, key, each, two.path) for each in (two.one, two.other))
    assert (first.status, other.status, len(shop.posted)) == (201, 201, 2)
    assert cookies_set(first) == cookies_set(other) == ["a=1", "b=2"]
    for caller, own in ((two.one, first), (two.other, other)):
        again = post(facade, key, caller, two.path)
        assert (again.status, again.body, again.field("Idempotency-Replayed")) == (201, own.body, "?1")
        assert cookies_set(again) == []
    assert first.json()["order_ref"] != other.json()["order_ref"]
    assert len(shop.posted) == 2
    stored = "SELECT idempotency::text FROM strangler.idempotency WHERE key = %s"
    rows = [row[0] for row in connection.execute(stored, (key,))]
    assert len(rows) == 2
    assert not [row for row in rows if "secret" in row or "Set-Cookie" in row]


def test_a_token_that_was_refreshed_is_the_same_account(facade: Running, shop: Shop, key: str) -> None:
    tokens = [{"Authorization": f"Bearer account.{number}"} for number in range(2)]
    answers = [post(facade, key, token, "/accounts/orders") for token in tokens]
    assert answers[0].body == answers[1].body
    assert len(shop.posted) == 1


def test_a_request_of_an_unknown_caller_is_carried_out_once_and_never_replayed(
    facade: Running, shop: Shop, key: str
) -> None:
    first = post(facade, key, {})
    assert (first.status, cookies_set(first)) == (201, ["a=1", "b=2"])
    for caller in ({}, NEW_HERE, {"Authorization": "Bearer secret-a"}):
        again = post(facade, key, caller)
        assert problem(again) == (409, "caller-unknown", "unknown")
        assert again.field("Retry-After") is None
    assert problem(post(facade, key, {}, body=b"{}")) == (422, "key-reused", "none")
    assert len(shop.posted) == 1


def test_a_keyed_command_of_an_unknown_caller_is_carried_out_once(facade: Running, shop: Shop, key: str) -> None:
    path = "/orders/R-1/cancellations"
    assert post(facade, key, {}, path).status == 201
    assert problem(post(facade, key, {}, path)) == (409, "caller-unknown", "unknown")
    assert len(shop.posted) == 1


def test_guests_of_an_anonymous_route_share_their_keys(facade: Running, shop: Shop, key: str) -> None:
    first, again = (post(facade, key, {}, "/guests/orders") for _ in range(2))
    assert (first.json()["order_ref"], again.body) == (mint_ref(ANONYMOUS, key), first.body)
    assert (cookies_set(first), cookies_set(again)) == (["a=1", "b=2"], [])
    assert problem(post(facade, key, NEW_HERE, "/guests/orders")) == (409, "caller-unknown", "unknown")
    assert len(shop.posted) == 1


def test_a_caller_that_the_plan_fails_to_identify_is_refused(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    got = post(facade, key, {"Authorization": "Bearer broken"}, "/accounts/orders")
    assert problem(got) == (503, "caller-failed", "none")
    assert not shop.posted
    count = "SELECT count(*) FROM strangler.idempotency WHERE key = %s"
    assert connection.execute(count, (key,)).fetchone() == (0,)
    log = facade.log_path.read_text()
    assert "caller_failed" in log
    assert "Bearer" not in log


def test_a_lost_answer_is_looked_up_as_its_caller(facade: Running, shop: Shop, key: str) -> None:
    shop.lose = True
    assert post(facade, key, {"X-Api-Key": "secret-a"}).json()["seen_as"] == "order"
    (looked_up,) = shop.app.asked("GET")
    assert looked_up.values("X-Api-Key") == ["secret-a"]


def earlier(
    connection: PsycopgConnection,
    key: str,
    *,
    request: bytes = b"POST /orders\n",
    state: str = "done",
    left: str = "1 h",
) -> str:
    """A claim as it was stored while the plan named no callers; the reference of its order."""
    ref = mint_ref(ANONYMOUS, key)
    fields = [["Content-Type", "application/json"], ["Set-Cookie", "a=1"], ["X-Kept", "1"], ["set-cookie", "b=2"]]
    values = {
        "key": key,
        "fingerprint": hashlib.sha256(request + ORDER).digest(),
        "ref": ref,
        "state": state,
        "headers": json.dumps({"reason": "Created", "fields": fields}),
        "body": b'{"of": "another client, perhaps"}',
        "left": left,
    }
    connection.execute(EARLIER, values)
    return ref


@pytest.mark.parametrize("state", ["done", "started"])
@pytest.mark.parametrize("caller", [{}, NEW_HERE, {"Authorization": "Bearer secret-a"}, {"X-Api-Key": "k"}], ids=str)
def test_a_claim_from_before_callers_is_neither_repeated_nor_shown(  # noqa: PLR0917 - a matrix
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str, caller: dict[str, str], state: str
) -> None:
    earlier(connection, key, state=state)
    assert problem(post(facade, key, caller)) == (409, "caller-unknown", "unknown")
    assert problem(post(facade, key, caller, body=b"{}")) == (422, "key-reused", "none")
    assert not shop.app.seen


def test_a_command_from_before_callers_is_not_repeated(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    path = "/orders/R-1/cancellations"
    earlier(connection, key, request=f"POST {path}\n".encode())
    assert problem(post(facade, key, NEW_HERE, path)) == (409, "caller-unknown", "unknown")
    assert not shop.app.seen


def test_an_expired_claim_from_before_callers_blocks_nobody(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    earlier(connection, key, left="-1 s")
    assert post(facade, key, NEW_HERE).status == 201
    assert post(facade, key, NEW_HERE).field("Idempotency-Replayed") == "?1"
    assert len(shop.posted) == 1


def test_anonymous_callers_find_what_was_stored_before_callers(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    earlier(connection, key, request=b"POST /guests/orders\n")
    got = post(facade, key, {}, "/guests/orders")
    assert (got.status, got.json(), got.field("X-Kept")) == (201, {"of": "another client, perhaps"}, "1")
    assert cookies_set(got) == []
    assert not shop.app.seen


def test_an_order_that_was_lost_before_callers_is_found_by_anonymous_callers(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    ref = earlier(connection, key, request=b"POST /guests/orders\n", state="started")
    shop.orders[ref] = b'{"found": true}'
    assert post(facade, key, {}, "/guests/orders").json() == {"found": True}
    assert not shop.posted
