"""What each context decides on an order event, against expectations written by hand."""

import pytest

from new_services.notification.decide import decide as decide_mail
from new_services.order_event import parse
from new_services.recommendation.decide import decide as decide_basket
from new_services.search.decide import decide as decide_document
from outbox.event import Event
from strangler.step.intents import Json, to_json
from tests.support.orders import LINES, cancelled, placed

REF = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"


def line(sku: str, quantity: int, price: int, *, gone: int = 0, description: str = "X") -> dict[str, Json]:
    return {
        "sku": sku,
        "description": description,
        "quantity": quantity,
        "cancelled": gone,
        "unit_price_minor": price,
    }


def mail(template: str, subject_ref: str, total_minor: int, to: str) -> list[dict[str, Json]]:
    body = {
        "to": to,
        "template": template,
        "order_ref": REF,
        "subject_ref": subject_ref,
        "total_minor": total_minor,
    }
    return [{"kind": "call", "target": "mail.send", "body": body}]


CUSTOMER, GUEST = "customer-17850@example.invalid", "guest-0190aaaa@example.invalid"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (placed(REF), mail("order_confirmation", REF, 1645, CUSTOMER)),
        (placed(REF, customer_id=None), mail("order_confirmation", REF, 1645, GUEST)),
        (cancelled(REF), mail("cancellation_confirmation", "C3", 1645, CUSTOMER)),
        (cancelled(REF, version=4, whole=False), mail("cancellation_confirmation", "C4", 600, CUSTOMER)),
    ],
)
def test_notification_asks_for_one_mail(event: Event, expected: Json) -> None:
    assert to_json(decide_mail(parse(event))) == expected


def document(version: int, status: str, total_minor: int, skus: list[str], text: str) -> list[dict[str, Json]]:
    body = {
        "order_ref": REF,
        "version": version,
        "status": status,
        "channel": "web",
        "merchant_id": None,
        "customer_id": "17850",
        "country": "United Kingdom",
        "placed_at": "2011-07-01T08:26:00",
        "total_minor": total_minor,
        "skus": skus,
        "text": text,
    }
    return [{"kind": "write", "target": "document", "body": body}]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (placed(REF), document(2, "placed", 1645, ["A1", "B2", "C3"], "red mug | tea light | bunting")),
        (cancelled(REF), document(3, "cancelled", 0, [], "")),
        (
            cancelled(REF, whole=False),
            document(3, "partly_cancelled", 1045, ["A1", "C3"], "tea light | bunting"),
        ),
        (
            placed(REF, lines=[line("Z", 1, 5), line("Z", 2, 5, gone=1, description="Y")]),
            document(2, "placed", 1645, ["Z"], "x | y"),
        ),
    ],
)
def test_search_describes_what_remains_of_the_order(event: Event, expected: Json) -> None:
    assert to_json(decide_document(parse(event))) == expected


def basket(version: int, skus: list[str]) -> list[dict[str, Json]]:
    body = {"order_ref": REF, "version": version, "customer_id": "17850", "skus": skus}
    return [{"kind": "write", "target": "basket", "body": body}]


SIX = [line(sku, 1, price) for sku, price in (("F", 1), ("E", 2), ("D", 3), ("C", 4), ("B", 5), ("A", 6))]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (placed(REF), basket(2, ["B2", "A1", "C3"])),
        (placed(REF, lines=[line("Q", 1, 100), line("P", 2, 50), line("R", 1, 101)]), basket(2, ["R", "P", "Q"])),
        (placed(REF, lines=SIX), basket(2, ["A", "B", "C", "D", "E"])),
        (placed(REF, lines=[*SIX, line("F", 2, 3)]), basket(2, ["F", "A", "B", "C", "D"])),
        (placed(REF, lines=[]), basket(2, [])),
        (cancelled(REF), basket(3, [])),
        (cancelled(REF, whole=False), []),
    ],
)
def test_recommendation_keeps_the_most_valuable_articles(event: Event, expected: Json) -> None:
    assert to_json(decide_basket(parse(event))) == expected


def test_the_sample_lines_have_the_values_the_tables_above_assume() -> None:
    assert [line["quantity"] * line["unit_price_minor"] for line in LINES] == [600, 550, 495]
