"""Values that no index or column takes are refused as what they are; odd octets of an answer are given again."""

from __future__ import annotations

import pytest

from strangler.local.process import Running
from tests.integration.facade.client import Answer, ask, order
from tests.integration.facade.shop import Shop
from tests.support.http_stub import HttpStub, answer


@pytest.fixture
def shop(app: HttpStub) -> Shop:
    return Shop(app)


def refused(got: Answer) -> tuple[int, str, str]:
    return got.status, str(got.json()["type"]).rpartition(":")[2], str(got.json()["effect"])


def random_text(length: int) -> str:
    """That no index can compress."""
    return "".join(chr(ord("a") + (number * number * 7919) % 26) for number in range(length))


@pytest.mark.parametrize("path", ["/orders/{}/cancellations", "/bookings/{}/cancel"])
@pytest.mark.parametrize("ref", [random_text(7_000), "%C3%A9" * 501, "a" * 1_001])
@pytest.mark.parametrize("keyed", [True, False])
def test_a_reference_that_no_index_holds_is_refused_as_that(
    facade: Running, app: HttpStub, key: str, path: str, ref: str, *, keyed: bool
) -> None:
    got = ask(facade, "POST", path.format(ref), b"{}", {"Idempotency-Key": key} if keyed else {})
    assert refused(got) == (400, "request-refused", "none")
    assert "1,000 bytes" in str(got.json()["detail"])
    assert not app.seen


@pytest.mark.parametrize("ref", ["a" * 1_000, "%C3%A9" * 500, "%F0%9F%92%A9", "%FF%FE", "%ED%A0%80"])
def test_a_long_or_odd_reference_is_none_of_the_databases_errors(
    facade: Running, app: HttpStub, key: str, ref: str
) -> None:
    for path in ("/orders/{}/cancellations", "/bookings/{}/cancel"):
        assert ask(facade, "POST", path.format(ref), b"{}", {"Idempotency-Key": key + path[:3]}).status == 200


@pytest.mark.parametrize("octet", [*range(1, 9), 11, 12, *range(14, 32), 127, 128, 255])
def test_a_repeat_gives_what_the_first_got_whatever_octets_the_application_sends(
    facade: Running, shop: Shop, key: str, octet: int
) -> None:
    odd = chr(octet)
    shop.app.reply = lambda _: answer(201, b"\x00\xff" + bytes([octet]), f"X-Odd: a{odd}b")
    first, again = order(facade, key), order(facade, key)
    assert (first.status, first.field("X-Odd")) == (201, f"a{odd}b")
    assert (again.status, again.body, again.field("X-Odd")) == (201, first.body, first.field("X-Odd"))
    assert len(shop.posted) == 1


def test_a_nul_in_an_answers_field_is_kept_too(facade: Running, shop: Shop, key: str) -> None:
    shop.app.reply = lambda _: answer(201, b"made", "X-Odd: a\x00b")
    first, again = order(facade, key), order(facade, key)
    assert (first.status, first.body) == (again.status, again.body)
    assert len(shop.posted) == 1
