"""Below a base nothing leads above it, and places in answers are the client's."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facade.base_path import BasePath
from strangler.facade.targets import AmbiguousTarget, NotOwned, Targets
from strangler.routes import Route

BELOW = Targets([Route("POST /orders", creates="order")], below_a_base=True)
SHOP = BasePath("/shop")


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        (("Location", "/shop/orders/1?a#b"), "/orders/1?a#b"),
        (("location", "/shop"), "/"),
        (("Location", "http://Front.Example:8080/shop/orders/1"), "http://Front.Example:8080/orders/1"),
        (("Location", "//front.example:8080/shop/x"), "//front.example:8080/x"),
        (("Content-Location", "/shop/orders/1"), "/orders/1"),
        (("Location", "http://other.example/shop/orders/1"), "http://other.example/shop/orders/1"),
        (("Location", "/shopping"), "/shopping"),
        (("Location", "orders/1"), "orders/1"),
        (("Location", "mailto:a@shop/shop/x"), "mailto:a@shop/shop/x"),
        (("Set-Cookie", "s=/shop/a; Path=/shop; Secure"), "s=/shop/a; Path=/; Secure"),
        (("Set-Cookie", "s=1; path=/shop/a"), "s=1; path=/a"),
        (("Set-Cookie", "Path=/shop"), "Path=/shop"),
        (("Set-Cookie", "s=1; Path=/"), "s=1; Path=/"),
        (("X-Place", "/shop/orders/1"), "/shop/orders/1"),
        (("Location", "/shop//evil.example/"), "/evil.example/"),
        (("Location", "/shop/\\evil.example"), "/evil.example"),
        (("Location", "/shop/\t/evil.example"), "/evil.example"),
        (("Content-Location", "/shop///evil.example"), "/evil.example"),
        (("Location", "//front.example:8080/shop//x"), "//front.example:8080/x"),
        (("Location", "//evil.example/shop"), "//evil.example/shop"),
    ],
)
def test_places_lose_the_base_where_they_are_the_applications(field: tuple[str, str], shown: str) -> None:
    assert SHOP.shown([field], ["front.example:8080"]) == [(field[0], shown)]


@pytest.mark.parametrize("path", ["/a b", "/%61", "/a;b", "/..", "/a/.", "a", "/a//b"])
def test_what_is_no_plain_path_is_no_base(path: str) -> None:
    assert BasePath.of(path) is None


@pytest.mark.parametrize(
    "target",
    [
        "/..",
        "/../orders",
        "/a/../../orders",
        "/%2e%2e/orders",
        "/..%2forders",
        "/..;a/orders",
        "/..\\orders",
        "/%252e./orders",
        "/a//../../orders",
        "http://h/../orders",
        "/.%2e",
    ],
)
def test_a_path_that_leads_above_the_base_is_refused(target: str) -> None:
    for method in ("GET", "POST"):
        assert isinstance(BELOW.match(method, target), AmbiguousTarget)


def test_without_a_base_there_is_nothing_above() -> None:
    assert isinstance(Targets([]).match("GET", "/../a"), NotOwned)
    assert isinstance(BELOW.match("GET", "/a/../b"), NotOwned)


DOTS = ["..", ".", "%2e%2e", ".%2E", "..;x", "..%2f..", "..%5c", "%252e%252e", "x;.."]
SEGMENTS = st.sampled_from(
    ["a", "..", ".", "", "%2e%2e", ".%2E", "..;x", "..%2f..", "a%2f", "..%5c", "%252e%252e", ";x", "x;.."]
)


@given(st.lists(SEGMENTS, max_size=6))
def test_whoever_resolves_what_passes_stays_below_the_base(segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    if isinstance(BELOW.match("GET", path), AmbiguousTarget):
        return
    sent = SHOP.sent(path)
    for _ in range(3):
        plain = "/".join(part.partition(";")[0] for part in sent.split("/"))
        for each in (sent, plain, sent.replace("\\", "/"), plain.replace("\\", "/")):
            resolved = posixpath.normpath(each)
            assert resolved == "/shop" or resolved.startswith("/shop/"), (path, each)
        sent = unquote(sent)
