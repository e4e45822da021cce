"""An order event is read whole or refused with the field that is wrong."""

from dataclasses import replace

import pytest

from new_services.order_event import OrderCancelled, OrderPlaced, parse
from outbox.errors import Undecodable
from strangler.step.intents import Json
from tests.support.orders import LINES, cancelled, of_type, placed


def test_a_placed_order_is_read() -> None:
    event = parse(placed("r1"))
    assert isinstance(event, OrderPlaced)
    assert (event.order.version, event.order.total_minor, event.order.lines[1].sku) == (2, 1645, "A1")


def test_a_cancellation_is_read_with_its_reference_and_refund() -> None:
    event = parse(cancelled("r1", version=4, whole=False))
    assert isinstance(event, OrderCancelled)
    assert (event.order.version, event.cancellation_ref, event.refund_minor) == (4, "C4", 600)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"\xff\xfe", "not JSON"), (b"{", "not JSON"), (b"[]", "JSON list"), (b"", "not JSON"), (b"null", "NoneType")],
)
def test_a_payload_that_is_no_object_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        parse(replace(placed("r1"), payload=payload))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total_minor": "1645"}, "'total_minor' is str"),
        ({"total_minor": True}, "'total_minor' is bool"),
        ({"total_minor": 1.5}, "'total_minor' is float"),
        ({"status": "lost"}, "'status' is 'lost'"),
        ({"channel": "phone"}, "'channel' is 'phone'"),
        ({"country": None}, "'country' is absent"),
        ({"customer_id": 17850}, "'customer_id' is int"),
        ({"lines": None}, "'lines' is absent"),
        ({"lines": ["x"]}, "a line is str"),
        ({"lines": [{**LINES[0], "cancelled": 3}]}, "3 of 2 cancelled"),
        ({"lines": [{"sku": "A1"}]}, "'quantity' is absent"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Json], reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        parse(placed("r1", **changes))


def test_a_payload_of_another_order_is_refused() -> None:
    with pytest.raises(Undecodable, match="payload is of order 'r1', the event of 'r2'"):
        parse(replace(placed("r1"), aggregate_id="r2"))


@pytest.mark.parametrize(
    ("tenant", "merchant_id", "fits"),
    [
        ("shop", None, True),
        ("merchant-1", "merchant-1", True),
        ("unprintable", "caf\u00e9", True),
        (None, "merchant-1", True),  # an event need not name its tenant
        ("merchant-2", "merchant-1", False),
        ("merchant-2", None, False),
        ("shop", "merchant-1", False),
    ],
)
def test_an_event_of_another_tenant_than_its_order_is_refused(
    tenant: str | None, merchant_id: str | None, fits: bool
) -> None:
    event = placed("r1", merchant_id=merchant_id)
    event = replace(event, context={} if tenant is None else {"tenant": tenant})
    if fits:
        parse(event)
        return
    with pytest.raises(Undecodable, match=f"wrong tenant: the order is of '{merchant_id or 'shop'}', .*'{tenant}'"):
        parse(event)


def test_fields_of_a_later_contract_are_ignored() -> None:
    assert parse(placed("r1", of_a_later_contract={"gift": True})) == parse(placed("r1"))


def test_a_cancellation_without_its_details_is_refused() -> None:
    with pytest.raises(Undecodable, match="'cancellation' is absent"):
        parse(cancelled("r1", cancellation=None))


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Undecodable, match=r"'OrderShipped'; known: OrderPlaced, OrderCancelled"):
        parse(of_type(placed("r1"), "OrderShipped"))
