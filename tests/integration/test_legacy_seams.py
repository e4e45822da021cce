"""The seams: what they record, what they leave to the new side, how an order comes back, and what the oracle says."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from legacy_app.plan.plan import plan
from outbox.connection import PsycopgConnection
from strangler.facts import Fact
from strangler.local.stack import Stack
from tests.integration.legacy_shop import OWNED, Shop, mails, open_shop, placed


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(stack, tmp_path_factory.mktemp("ledgers")) as opened:
        yield opened


@pytest.fixture
def ref() -> str:
    """An order reference and client reference of this test alone."""
    return f"t-{secrets.token_hex(6)}"


def test_the_seam_records_what_legacy_did_in_the_plans_words(shop: Shop, ref: str) -> None:
    placed(shop, ref, "epoch=3, search=shadow, recommendation=new")
    shop.cancel(ref, "C1", ("A", 1))

    sql = "SELECT step, version, owner, intents FROM strangler.seam_record WHERE subject_ref = %s AND step = ANY (%s)"
    recorded = shop.rows(f"{sql} ORDER BY step, version", ref, ["notification", "search", "recommendation"])
    assert [(step, version, owner) for step, version, owner, _ in recorded] == [
        ("notification", 2, "legacy"),
        ("notification", 3, "legacy"),
        ("search", 2, "shadow"),
        ("search", 3, "shadow"),
    ]
    assert recorded[3][3] == [
        {
            "kind": "write",
            "target": "document",
            "body": {
                "order_ref": ref,
                "version": 3,
                "status": "partly_cancelled",
                "channel": "web",
                "merchant_id": None,
                "customer_id": "17",
                "country": "United Kingdom",
                "placed_at": "2011-06-01T08:26:00",
                "total_minor": 450,
                "skus": ["B"],
                "text": "the b | the b",
            },
        }
    ]


def test_a_step_of_the_new_side_is_left_to_it(shop: Shop, ref: str) -> None:
    placed(shop, ref, OWNED)

    assert mails(shop, ref) == []
    for table in ("search_document", "basket", "notification"):
        assert shop.rows(f"SELECT FROM legacy.{table} WHERE order_ref = %s", ref) == []
    sql = "SELECT DISTINCT step FROM strangler.seam_record WHERE subject_ref = %s ORDER BY step"
    assert shop.rows(sql, ref) == [("fraud",), ("inventory",), ("payment",)]


def test_a_hand_back_runs_the_step_once_for_all_versions(shop: Shop, ref: str) -> None:
    placed(shop, ref, OWNED)
    shop.cancel(ref, "C1", ("B", 3))

    too_early = shop.hand_back("notification", ref)
    answers = [shop.take_back("notification", ref) for _ in range(2)]

    assert too_early.status_code == 409
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, {"step": "notification", "subject_ref": ref, "versions": versions}) for versions in ([2, 3], [])
    ]
    assert mails(shop, ref) == [
        (f"{ref}:notification:200", "order_confirmation", 950),
        (f"{ref}:notification:300", "cancellation_confirmation", 450),
    ]
    owners = shop.rows("SELECT ownership FROM legacy.orders WHERE order_ref = %s", ref)
    assert owners == [("epoch=3, recommendation=new, search=new",)]


def test_a_later_cancellation_of_a_handed_back_order_is_legacys(shop: Shop, ref: str) -> None:
    placed(shop, ref, OWNED)
    for step in ("search", "recommendation"):
        assert shop.take_back(step, ref).json()["versions"] == [2]
    assert shop.rows("SELECT skus FROM legacy.basket WHERE order_ref = %s", ref) == [(["A", "B"],)]

    shop.cancel(ref, "C1", ("A", 1), ("B", 3))

    assert shop.rows("SELECT skus FROM legacy.basket WHERE order_ref = %s", ref) == [([],)]
    state = "SELECT document->>'state' FROM legacy.search_document WHERE order_ref = %s"
    assert shop.rows(state, ref) == [("cancelled",)]


def test_the_hand_back_route_needs_its_token_and_a_known_step(shop: Shop, ref: str) -> None:
    placed(shop, ref, OWNED)

    assert shop.hand_back("search", ref, token="guess").status_code == 401
    assert shop.hand_back("pricing", ref).status_code == 404
    assert shop.take_back("payment", ref).json()["versions"] == []


def oracle_of(shop: Shop, ref: str) -> dict[str, list[Fact]]:
    with psycopg.connect(shop.dsn) as connection:
        return {step: facts_of(connection, step, ref) for step in ("notification", "search", "recommendation")}


def facts_of(connection: PsycopgConnection, step: str, ref: str) -> list[Fact]:
    check = plan.step(step).check
    assert check is not None
    assert check.expected is not None
    return [fact for fact in check.expected(connection) if fact.subject_ref == ref]


def test_the_oracle_says_the_same_as_a_person_with_a_pencil(shop: Shop, ref: str) -> None:
    placed(shop, ref, OWNED, customer_id=None)
    shop.cancel(ref, "C1", ("A", 1))
    mail = {"to": f"guest-{ref[:8]}@example.invalid", "order_ref": ref}
    placing = {**mail, "template": "order_confirmation", "subject_ref": ref, "total_minor": 950}
    cancelling = {**mail, "template": "cancellation_confirmation", "subject_ref": "C1", "total_minor": 500}

    assert oracle_of(shop, ref) == {
        "notification": [
            Fact(ref, 200, 2, placing),
            Fact(ref, 300, 3, cancelling),
        ],
        "search": [
            Fact(
                ref,
                300,
                3,
                {
                    "order_ref": ref,
                    "version": 3,
                    "status": "partly_cancelled",
                    "channel": "web",
                    "merchant_id": None,
                    "customer_id": None,
                    "country": "United Kingdom",
                    "placed_at": "2011-06-01T08:26:00",
                    "total_minor": 450,
                    "skus": ["B"],
                    "text": "the b | the b",
                },
            )
        ],
        "recommendation": [
            Fact(ref, 200, 2, {"order_ref": ref, "version": 2, "customer_id": None, "skus": ["A", "B"]})
        ],
    }


def test_the_oracle_expects_an_empty_basket_once_all_is_cancelled(shop: Shop, ref: str) -> None:
    placed(shop, ref, OWNED)
    shop.cancel(ref, "C1", ("A", 1), ("B", 3))

    found = oracle_of(shop, ref)
    assert found["recommendation"] == [
        Fact(ref, 300, 3, {"order_ref": ref, "version": 3, "customer_id": "17", "skus": []})
    ]
    assert found["search"][0].fields["text"] == ""
    assert found["search"][0].fields["skus"] == []


def test_the_judge_knows_every_order_with_its_owners(shop: Shop, ref: str) -> None:
    placed(shop, ref, OWNED)

    with psycopg.connect(shop.dsn) as connection:
        (known,) = [facts for facts in plan.subject.facts(connection) if facts.subject_ref == ref]

    assert (known.version, known.key, known.ownership.to_header()) == (2, ref, OWNED)
