"""The backlog of reviews: listed, cleared, or refused late, which cancels the order at the monolith, once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from strangler.cli import main
from strangler.local.stack import Stack
from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind
from tests.integration.legacy_shop import Shop, open_shop, placed
from tests.integration.middle import handle, sending, until_ended
from tests.support.context_process import PLAN
from tests.support.orders import of_order

REVIEW = "SELECT resolution, actor, reason FROM fraud.review WHERE order_ref = %s"
ORDER = "SELECT status, version FROM legacy.orders WHERE order_ref = %s"
LINES = [
    {"sku": sku, "description": "", "quantity": quantity, "cancelled": 0, "unit_price_minor": 5}
    for sku, quantity in (("B", 2), ("A", 1), ("B", 1))  # what `placed` orders of the monolith
]


class Doubting:
    """A scorer in two minds."""

    timeout_s, key_lifetime_s = 1.0, 3600.0

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:  # noqa: ARG002
        return Answer(AnswerKind.DONE, {"status": 200, "score": 75})

    def look_up(self, key: str, operation: str) -> Answer:  # noqa: ARG002
        return Answer(AnswerKind.ABSENT)


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The monolith, with two orders that fraud has its doubts about, and one that the monolith never got."""
    folder: Path = tmp_path_factory.mktemp("review")
    with open_shop(stack, folder, workers=1) as shop:
        for ref in ("good", "bad"):
            placed(shop, ref)
        received = [of_order("OrderReceived", ref, "fraud=new", lines=LINES) for ref in ("good", "bad", "unknown")]
        handle(shop.dsn, "fraud", *received)
        with sending(shop.dsn, "fraud", {"fraud": Doubting()}):
            until_ended(shop.dsn, "fraud", 3)
        yield shop


@pytest.fixture
def review(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`strangler review VERB fraud ...`: its exit code and what it printed, data or error."""
    for name in ("STRANGLER_DSN", "LEGACY_URL"):
        monkeypatch.setenv(name, shop.environ[name])
    monkeypatch.setenv("STRANGLER_PLAN", str(PLAN))

    def run(*argv: str) -> tuple[int, Any]:
        verb, *others = argv
        code = main(["review", verb, "fraud", *others, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err

    return run


AUDIT = ("--actor", "ann", "--reason", "called the customer")


def listed(review: Any) -> set[str]:
    code, said = review("list")
    assert code == 0
    assert {each["score"] for each in said["reviews"]} <= {75}
    return {each["subject_ref"] for each in said["reviews"]}


def test_a_backlog_is_worked_off_order_by_order(shop: Shop, review: Any) -> None:
    assert listed(review) == {"good", "bad", "unknown"}

    assert review("refuse", "bad", *AUDIT, "--dry-run")[0] == 0
    assert listed(review) == {"good", "bad", "unknown"}
    assert shop.rows(ORDER, "bad") == [("placed", 1)]

    assert review("clear", "good", *AUDIT) == (
        0,
        {"subject_ref": "good", "resolution": "clear", "dry_run": False},
    )
    assert shop.rows(REVIEW, "good") == [("cleared", "ann", "called the customer")]
    assert shop.rows(ORDER, "good") == [("placed", 1)]

    assert review("refuse", "bad", *AUDIT)[0] == 0
    assert shop.rows(REVIEW, "bad") == [("refused", "ann", "called the customer")]
    assert shop.rows(ORDER, "bad") == [("cancelled", 2)]
    cancelled = shop.rows("SELECT cancellation_ref FROM legacy.cancellation WHERE order_ref = 'bad'")
    assert cancelled == [("fraud-review",)]

    code, said = review("refuse", "bad", *AUDIT)
    assert code == 1
    assert "no open review of 'bad'" in said
    code, said = review("refuse", "unknown", *AUDIT)
    assert code == 1
    assert "legacy refused to cancel order unknown: 404" in said
    assert listed(review) == {"unknown"}


def test_a_refusal_after_a_crash_finds_its_cancellation_done(shop: Shop, review: Any) -> None:
    placed(shop, "twice")
    handle(shop.dsn, "fraud", of_order("OrderReceived", "twice", "fraud=new", lines=LINES))
    with sending(shop.dsn, "fraud", {"fraud": Doubting()}):
        until_ended(shop.dsn, "fraud", 4)
    assert shop.cancel("twice", "fraud-review", ("A", 1), ("B", 3)).status_code == 201
    assert review("refuse", "twice", *AUDIT)[0] == 0
    assert shop.rows(ORDER, "twice") == [("cancelled", 2)]


def test_without_the_monolith_the_review_stays_open(review: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEGACY_URL", "http://127.0.0.1:9")
    code, said = review("refuse", "unknown", *AUDIT)
    assert code == 3
    assert "legacy does not answer" in said
    assert "unknown" in listed(review)
