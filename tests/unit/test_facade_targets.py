"""Which requests the facade owns, in which spellings, and which it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facade.idempotency import unknown_spelling
from strangler.facade.readings import LIMIT, readings
from strangler.facade.targets import AmbiguousTarget, Match, NotOwned, Owned, Reserved, Targets, origin_form
from strangler.routes import Route

ORDERS = Route("POST /orders", creates="order")
CANCELLATIONS = Route("POST /orders/{ref}/cancellations")
TARGETS = Targets([ORDERS, CANCELLATIONS], internal=["/internal/steps/{step}/orders/{ref}"])


def owned(target: str, *routes: Route, method: str = "POST") -> Owned:
    match = (Targets(routes) if routes else TARGETS).match(method, target)
    assert isinstance(match, Owned), match
    return match


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/orders", ""),
        ("/orders?x=/y", "?x=/y"),
        ("/orders?", ""),
        ("/orders#f", ""),
        ("/%6Frders", ""),
        ("/%6f%72ders", ""),
        ("http://a/orders", ""),
        ("http://u@[::1]:8/orders", ""),
        ("HTTPS://a:1/orders?x", "?x"),
    ],
)
def test_a_plain_spelling_is_owned_for_certain(target: str, query: str) -> None:
    assert owned(target) == Owned(ORDERS, None, "/orders", query, certain=True)


@pytest.mark.parametrize(
    "target",
    [
        *("//orders", "///orders", "/%2Forders", "//%2Forders", "http://h//orders", "http://h/%2Forders"),
        *("/orders/", "/orders//", "/orders%2F", "/orders/?x", "/./orders", "/x/../orders", "/../orders", "/orders/."),
        *("/orders;a", "/orders;a=/", "/orders%3Ba", "/\\orders", "/orders\\", "/%5Corders", "/%2e/orders"),
        *("/%256Frders", "/%25256Frders", "/x%2F..%2Forders", "/x/..;a/orders", "/x%2Fy/../orders", "/%6Frders;a=%2Fb"),
        *("/x//../orders", "/x/..\\orders"),
    ],
)
def test_a_spelling_that_some_application_resolves_is_owned_under_the_plain_path(target: str) -> None:
    match = owned(target)
    assert (match.route, match.canonical, match.certain) == (ORDERS, "/orders", False)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/orders"),
        ("POST", "/Orders"),
        ("POST", "/x/orders"),
        ("POST", "/?/orders"),
        ("POST", "/orders/a/b/cancellations"),
        ("POST", "/orders//cancellations"),
        ("POST", "/orders%3Fx"),
        ("GET", "/a%2Fb//c/../d;p=1?x=%20"),
        ("OPTIONS", "*"),
        ("M-SEARCH", "/orders"),
    ],
)
def test_all_else_is_not(method: str, target: str) -> None:
    assert TARGETS.match(method, target) == NotOwned()


@pytest.mark.parametrize(
    ("method", "target"),
    [
        *(("POST", target) for target in ("ftp://h/orders", "http:/orders", "http:///orders", "http:orders", "orders")),
        *(
            ("POST", target)
            for target in ("", "*", "h:80", "http://h\\orders", "/or\tders", "/\xe9", "?x", "#", "//a b")
        ),
        *((method, "/elsewhere") for method in ("post", "Get", "", "P OST", "POST\t", "B\xd6RSE")),
        ("GET", "*"),
    ],
)
def test_what_servers_read_differently_is_refused_for_every_route(method: str, target: str) -> None:
    assert isinstance(TARGETS.match(method, target), AmbiguousTarget)


@pytest.mark.parametrize(
    ("target", "order_ref", "canonical"),
    [
        ("/orders/R-1/cancellations", "R-1", "/orders/R-1/cancellations"),
        ("/orders/%52-1/cancellations?x", "R-1", "/orders/R-1/cancellations"),
        ("/orders%2FR/cancellations", "R", "/orders/R/cancellations"),
        ("//orders/R/cancellations/", "R", "/orders/R/cancellations"),
        ("/orders/%20R1/cancellations", " R1", "/orders/%20R1/cancellations"),
        ("/orders/R%C3%A9/cancellations", "R\xe9", "/orders/R%C3%A9/cancellations"),
        ("/orders/R%E9/cancellations", "R\ufffd", "/orders/R%EF%BF%BD/cancellations"),
        ("/orders/R%2531/cancellations", "R%31", "/orders/R%2531/cancellations"),
        ("//orders/R%2531/cancellations", "R%31", "/orders/R%2531/cancellations"),
        ("//orders/a;b/cancellations", "a;b", "/orders/a;b/cancellations"),
        ("//orders/../cancellations", "..", "/orders/../cancellations"),
        ("/orders/R/cancellations;v=1", "R", "/orders/R/cancellations"),
        ("/orders/R+1:2@3/cancellations", "R+1:2@3", "/orders/R+1:2@3/cancellations"),
    ],
)
def test_the_reference_is_the_one_that_the_application_sees(target: str, order_ref: str, canonical: str) -> None:
    match = owned(target)
    assert (match.subject_ref, match.canonical) == (order_ref, canonical)


@pytest.mark.parametrize("target", ["/orders/R%2F1/cancellations", "/orders/%2FR/cancellations"])
def test_a_slash_in_a_reference_is_owned_and_not_certain(target: str) -> None:
    """A router of raw paths takes it, one of decoded paths says 404 or 405: then nothing of it is kept."""
    match = owned(target)
    assert (match.route, match.certain) == (CANCELLATIONS, False)


@pytest.mark.parametrize(
    "target", ["/orders/a%00/cancellations", "/orders/a%0D%0AX:1/cancellations", "/orders/%7F/cancellations"]
)
def test_a_control_character_in_a_reference_is_refused(target: str) -> None:
    assert isinstance(TARGETS.match("POST", target), AmbiguousTarget)


@pytest.mark.parametrize("target", ["/shops/../orders", "/shops/a%2F..%2F..%2Forders", "/shops/orders/R%2Forders"])
def test_what_may_be_either_of_two_owned_requests_is_refused(target: str) -> None:
    shops = Route("POST /shops/{shop:path}/orders", creates="order")
    both = Targets([ORDERS, shops, Route("POST /shops/orders/{ref}")])
    assert isinstance(both.match("POST", target), AmbiguousTarget)


def test_several_readings_with_different_references_are_refused() -> None:
    assert isinstance(TARGETS.match("POST", "/x/../orders/a;b/cancellations"), AmbiguousTarget)


@pytest.mark.parametrize("target", ["//orders", "/orders/", "/orders;a", "/ORDERS"])
def test_a_route_of_one_spelling_refuses_the_others(target: str) -> None:
    only = Route("POST /orders", creates="order", spelling="exact", case_insensitive=True)
    assert isinstance(Targets([only]).match("POST", target), AmbiguousTarget)
    assert owned("/%6Frders?x", only).certain


def test_letter_case_counts_unless_the_plan_says_otherwise() -> None:
    free = Route("POST /orders/{ref}/cancellations", case_insensitive=True)
    match = owned("/Orders/Ab/CANCELLATIONS", free)
    assert (match.subject_ref, match.canonical, match.certain) == ("Ab", "/orders/Ab/cancellations", False)


@pytest.mark.parametrize("target", ["/carts/a/close/", "/carts/a/close", "/carts//a/close", "/carts%2Fa/close/"])
def test_a_route_may_end_in_a_slash(target: str) -> None:
    match = owned(target, Route("PUT /carts/{ref}/close/"), method="PUT")
    assert (match.subject_ref, match.canonical) == ("a", "/carts/a/close/")
    assert match.certain == (target == "/carts/a/close/")


@pytest.mark.parametrize("target", ["/f/a/b%2Fc/x", "/f/a%2Fb/c/x", "//f/a/b/c/x"])
def test_a_path_placeholder_takes_several_segments(target: str) -> None:
    match = owned(target, Route("POST /f/{ref:path}/x"))
    assert (match.subject_ref, match.canonical) == ("a/b/c", "/f/a/b/c/x")


@pytest.mark.parametrize("path", ["/zam\xf3wienia/\u017c {ref}", "/zam%c3%b3wienia/%C5%BC%20{ref}"])
@pytest.mark.parametrize("target", ["/zam%C3%B3wienia/%C5%BC%20a", "/zam%c3%b3wienia/%c5%bc%20%61"])
def test_a_route_may_need_escapes(path: str, target: str) -> None:
    match = owned(target, Route(f"POST {path}", spelling="exact"))
    assert (match.subject_ref, match.canonical, match.certain) == ("a", "/zam%C3%B3wienia/%C5%BC%20a", True)


def test_the_root_may_be_owned() -> None:
    root = Route("POST /", creates="order")
    assert [owned(target, root).certain for target in ("/", "//", "http://h", "/x/..")] == [True, False, True, False]


@pytest.mark.parametrize(
    "target",
    [
        *(
            "/-/healthz",
            "/%2D/healthz",
            "//-/healthz",
            "/%2F-/healthz",
            "/-%2Fhealthz",
            "/x/../-/healthz",
            "/;a/-/healthz",
        ),
        *("http://h//-/healthz", "/-\\healthz", "/-/x/../healthz"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_facades_own_paths_are_its_own_in_every_spelling(method: str, target: str) -> None:
    assert isinstance(TARGETS.match(method, target), Reserved)


@pytest.mark.parametrize(
    "target", ["/internal/steps/s/orders/r", "//internal/steps/s/orders%2Fr/", "/INTERNAL/steps/s/orders/r"]
)
def test_a_hand_back_is_not_reached_through_the_facade(target: str) -> None:
    assert isinstance(TARGETS.match("POST", target), Reserved)


def test_a_path_under_the_facades_prefix_is_never_the_applications() -> None:
    match: Match = TARGETS.match("POST", "/-/../orders")
    assert isinstance(match, Reserved)


@given(st.text("abzAZ09-_~/", max_size=12), st.sets(st.integers(0, 11)))
def test_escaping_what_needs_no_escape_changes_no_request(path: str, places: set[int]) -> None:
    escaped = [f"%{ord(c):02X}" if place in places and c != "/" else c for place, c in enumerate(path)]
    route = Route("POST /" + path, creates="order")
    if not route.path.startswith("/-/") and "//" not in route.path:
        assert owned("/" + "".join(escaped), route).certain


@pytest.mark.parametrize("path", ["/a%252F..%2F;x\\.." * 40, "/%25252e" * 900, "/..;/" * 1500, "/a\\;b%2F%2e//" * 500])
def test_a_long_hostile_path_has_few_readings(path: str) -> None:
    assert len(readings(path) or ()) in range(1, LIMIT)


def test_a_path_of_too_many_readings_is_refused() -> None:
    path = "/;%2F%3B//%252e%255Ca%25252F%2F\\.//%2e/orders"
    assert readings(path) is None
    assert isinstance(TARGETS.match("GET", path), AmbiguousTarget)


@pytest.mark.parametrize(
    ("target", "sent"),
    [("/a//b/../%2F?x", "/a//b/../%2F?x"), ("*", "*"), ("http://a?x", "/?x"), ("http://a", "/"), ("//a/b", "//a/b")],
)
def test_only_an_absolute_target_is_rewritten(target: str, sent: str) -> None:
    assert origin_form(target) == sent


@pytest.mark.parametrize(
    ("status", "location", "unknown"),
    [
        *((status, "", True) for status in (301, 304, 307, 308, 404, 405)),
        *((status, "/orders/R", False) for status in (200, 201, 302, 303, 400, 401, 409, 410, 422)),
        *((302, location, True) for location in ("", "/orders", "http://h/orders/", "/orders?x")),
        (308, "/orders/R", True),
    ],
)
def test_an_application_that_does_not_know_a_spelling_says_so(status: int, location: str, unknown: bool) -> None:
    headers = [("Location", location)] if location else []
    assert unknown_spelling(status, headers, "/orders") is unknown
