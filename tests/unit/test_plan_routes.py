"""A plan whose routes contradict themselves is refused, with the fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from strangler.errors import BadPlan
from strangler.plan import Plan, Route, Step, Subject
from strangler.routes import Callers
from tests.support.facade_plan import no_orders

ORDERS = Route("POST /orders", creates="order")


def planned(*routes: Route, caller: Callers | None = "anonymous", path: str = "", hand_back_path: str = "") -> Plan:
    subject = Subject("order", read=no_orders, caller=caller, path=path, hand_back_path=hand_back_path)
    return Plan(name="p", subject=subject, steps=(Step("payment"),), routes=routes)


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (Route("post /orders/{ref}"), "upper-case token"),
        (Route("P/OST /orders/{ref}"), "upper-case token"),
        (Route("POST orders/{ref}"), "does not begin with '/'"),
        (Route("POST /orders/{ref}?a"), "a placeholder is {name} or {name:path}"),
        (Route("POST /orders/{ref:int}"), "a placeholder is {name} or {name:path}"),
        (Route("POST /{ref}/{ref}"), "names a placeholder twice"),
        (Route("POST /orders/{order}"), "needs one of creates='order', {ref} and {id}"),
        (Route("POST /orders/{ref}/{id}"), "needs one of creates='order', {ref} and {id}"),
        (Route("POST /-/{ref}"), "the facade's own"),
        (Route("POST /{ref}", spelling="plain"), 'use "any" or "exact"'),  # type: ignore[arg-type]  # a typing error
    ],
)
def test_a_route_that_cannot_be_served_is_refused(route: Route, said: str) -> None:
    with pytest.raises(BadPlan) as refused:
        planned(ORDERS, route)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "paths",
    [
        {"path": "/orders"},
        {"path": "/orders/{order_ref}"},
        {"path": "/{shop}/orders/{ref}"},
        {"path": "orders/{ref}"},
        {"hand_back_path": "/steps/{step}"},
        {"hand_back_path": "/steps/{step}/{ref}/{"},
    ],
)
def test_a_path_that_could_not_be_filled_in_is_refused(paths: Mapping[str, str]) -> None:
    with pytest.raises(BadPlan, match="and no other placeholder"):
        planned(ORDERS, **paths)


def test_routes_of_every_kind_are_taken() -> None:
    assert planned(ORDERS, Route("PATCH /a/{ref:path}/x-{other}/"), Route("M-SEARCH /{ref}"), Route("PATCH /b/{id}"))


def test_a_plan_that_identifies_no_caller_is_refused_with_each_choice() -> None:
    with pytest.raises(BadPlan) as refused:
        planned(ORDERS, caller=None)
    said = str(refused.value)
    assert "route 'POST /orders' does not say what identifies the caller of its Idempotency-Key" in said
    for choice in ('caller="header:Authorization"', 'caller="cookie:session"', "caller=account", 'caller="anonymous"'):
        assert len([line for line in said.splitlines() if choice in line]) == 1


@pytest.mark.parametrize(
    "caller",
    [
        *("", "header", "header:", "cookie:", "cookie:a b", "header:X Y", "header: X", "query:user", "Anonymous"),
        *((), [], ("cookie:s", ""), ["anonymous", 7], ("header:X", None), 7, b"header:X"),
    ],
)
def test_a_caller_that_cannot_be_identified_is_refused(caller: Callers) -> None:
    for routes, default in (([replace(ORDERS, caller=caller)], None), ([ORDERS], caller)):
        with pytest.raises(BadPlan, match=r'"header:NAME"|is empty'):
            planned(*routes, caller=default)


@pytest.mark.parametrize(
    "caller",
    ["header:Authorization", "cookie:session", "anonymous", len, ("cookie:s", len), ["header:X-Api-Key", "anonymous"]],
)
def test_a_caller_is_declared_on_the_route_or_on_the_plan(caller: Callers) -> None:
    assert planned(ORDERS, caller=caller)
    assert planned(replace(ORDERS, caller=caller), Route("PUT /orders/{ref}"), caller=None)
