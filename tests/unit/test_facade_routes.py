"""Which requests the facade owns, and in which spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facade.routes import Routes, canonical_path, origin_form
from strangler.plan import Route

ROUTES = Routes([Route("POST", "/orders", creates_order=True), Route("POST", "/orders/{order_ref}/cancellations")])


@pytest.mark.parametrize(
    "target",
    ["/orders", "/orders?x=/y", "/orders#f", "/%6Frders", "/%6f%72ders", "http://a/orders", "HTTPS://a:1/orders?x"],
)
def test_every_spelling_of_an_owned_path_is_owned(target: str) -> None:
    match = ROUTES.match("POST", target)
    assert match is not None
    assert match.order_ref is None


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/orders"),
        ("post", "/orders"),
        ("POST", "/orders/"),
        ("POST", "//orders"),
        ("POST", "/orders%2F"),
        ("POST", "/x/orders"),
        ("POST", "/?/orders"),
        ("POST", "*"),
        ("POST", "/orders/a/b/cancellations"),
        ("POST", "/orders//cancellations"),
    ],
)
def test_all_else_is_not(method: str, target: str) -> None:
    assert ROUTES.match(method, target) is None


def test_the_order_is_named_by_the_path() -> None:
    match = ROUTES.match("POST", "/orders/a%2Fb%2Dc/cancellations?x=1")
    assert match is not None
    assert match.order_ref == "a%2Fb-c"


@given(st.text("abzAZ09-._~/", max_size=12), st.sets(st.integers(0, 11)))
def test_escaping_what_needs_no_escape_changes_no_path(path: str, places: set[int]) -> None:
    spelled = [f"%{ord(c):02X}" if place in places and c != "/" else c for place, c in enumerate(path)]
    assert canonical_path("/" + "".join(spelled)) == "/" + path


@pytest.mark.parametrize(
    ("target", "sent"),
    [("/a//b/../%2F?x", "/a//b/../%2F?x"), ("*", "*"), ("http://a?x", "/?x"), ("http://a", "/"), ("//a/b", "//a/b")],
)
def test_only_an_absolute_target_is_rewritten(target: str, sent: str) -> None:
    assert origin_form(target) == sent
