"""The key that a request has by its route's rule: brought, derived, or its own."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from strangler.errors import BadPlan
from strangler.facade.caller import CallerFailed
from strangler.facade.message import Headers, Request
from strangler.facade.problem import FORM_UNREADABLE, KEY_MALFORMED, KEY_MISSING
from strangler.facade.request_key import RequestKey, key_of
from strangler.facade.targets import Owned
from strangler.keys import Derived, KeyRule
from strangler.plan import Plan, Step, Subject
from strangler.routes import Callers, Route
from tests.support.facade_plan import no_orders

CREATES = Route("POST /bookings", creates="booking")
DERIVED = replace(CREATES, key=Derived("email", "day", within_s=60))
BODY: dict[str, object] = {"email": "ann@x", "day": "2026-01-01", "note": "window"}


def key(
    route: Route, fields: dict[str, object], headers: Headers = (), *, form: bool = False, now_s: float = 30.0
) -> RequestKey:
    found = asked(route, fields, headers, form=form, now_s=now_s)
    assert isinstance(found, RequestKey)
    return found


def asked(
    route: Route,
    fields: dict[str, object],
    headers: Headers = (),
    *,
    form: bool = False,
    now_s: float = 30.0,
    callers: Callers = "anonymous",
) -> object:
    body = (urlencode(fields) if form else json.dumps(fields)).encode()
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    request = Request("POST", "/bookings", [*headers, ("Content-Type", kind)], "peer", "http", body)
    return key_of(request, Owned(route, None, "/bookings"), body, callers, now_s)


def test_without_a_key_each_request_is_its_own() -> None:
    one, other = key(CREATES, BODY), key(CREATES, BODY)
    assert one.key != other.key
    assert not one.repeatable
    assert asked(replace(CREATES, key="required"), BODY) is KEY_MISSING


@pytest.mark.parametrize("rule", ["required", "optional", DERIVED.key])
def test_a_header_wins_over_a_field_and_that_over_what_is_derived(rule: KeyRule) -> None:
    route = replace(DERIVED, key=rule, key_field="key")
    sent, headers = BODY | {"key": "f-1"}, [("Idempotency-Key", "h-1")]
    assert key(route, sent, headers, form=True).key == "h-1"
    assert key(route, sent, form=True).key == "f-1"
    assert asked(route, sent | {"key": "f-1\n"}, form=True) is KEY_MALFORMED


def test_a_field_of_json_or_an_empty_one_is_no_key() -> None:
    route = replace(CREATES, key="required", key_field="key")
    assert asked(route, BODY | {"key": "f-1"}) is KEY_MISSING
    assert asked(route, BODY | {"key": ""}, form=True) is KEY_MISSING


@pytest.mark.parametrize("rule", ["required", "optional", DERIVED.key])
def test_a_key_in_a_long_form_counts_and_a_form_that_cannot_be_read_is_refused(rule: KeyRule) -> None:
    route = replace(DERIVED, key=rule, key_field="key")
    assert key(route, BODY | {"note": "x" * 100_000, "key": "f-1"}, form=True).key == "f-1"
    many: dict[str, object] = {f"a{number}": 1 for number in range(1000)} | {"key": "f-1"}
    assert asked(route, many, form=True) is FORM_UNREADABLE
    assert key(route, many, [("Idempotency-Key", "h-1")], form=True).key == "h-1"


def test_equal_fields_of_one_caller_make_one_key_whatever_else_is_in_the_body() -> None:
    first = key(DERIVED, BODY)
    assert key(DERIVED, BODY | {"note": "token of another page"}) == first
    assert first.repeatable
    for other in (BODY | {"day": "2026-01-02"}, BODY | {"email": "Ann@x"}):
        assert key(DERIVED, other).key != first.key
    assert key(DERIVED, BODY, [("Authorization", "Bearer b")]).scope != first.scope


def test_the_windows_beside_are_looked_at() -> None:
    at_30, at_59, at_61, at_130 = (key(DERIVED, BODY, now_s=now_s) for now_s in (30, 59, 61, 130))
    assert at_30 == at_59
    assert at_59.key in at_61.near
    assert at_61.key in at_59.near
    assert at_59.key not in (at_130.key, *at_130.near)
    assert (at_30.fingerprint, at_30.within_s) == (at_130.fingerprint, 60)


@pytest.mark.parametrize(
    "fields",
    [{"email": "ann@x"}, BODY | {"day": ["1"]}, BODY | {"day": {"a": 1}}, BODY | {"email": "x" * 1023}]
    + [BODY | {"day": nothing} for nothing in ("", None, float("nan"), float("inf"))],
)
def test_fields_that_are_not_as_they_should_be_make_the_request_its_own(fields: dict[str, object]) -> None:
    assert not key(DERIVED, fields).repeatable


def test_a_derived_key_that_is_sent_as_one_is_another() -> None:
    derived = key(DERIVED, BODY)
    sent = key(DERIVED, BODY, [("Idempotency-Key", derived.key)])
    assert (sent.key, sent.scope) != (derived.key, derived.scope)


def test_a_caller_that_cannot_be_identified_shares_no_derived_key() -> None:
    found = asked(DERIVED, BODY, callers="cookie:session")
    assert isinstance(found, RequestKey)
    assert not found.repeatable
    assert isinstance(asked(DERIVED, BODY, callers=lambda headers: headers["absent"]), CallerFailed)


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (replace(CREATES, key="always"), 'use "required", "optional" or Derived'),  # type: ignore[arg-type]  # wrong
        (replace(CREATES, key=Derived(within_s=60)), "from 0 fields; name 1 to 16"),
        (replace(CREATES, key=Derived("a", "a", within_s=60)), "from a field twice"),
        (replace(CREATES, key=Derived("customer.email", within_s=60)), "name a top-level field"),
        (replace(CREATES, key=Derived("lines[0]", within_s=60)), "name a top-level field"),
        (replace(CREATES, key=Derived("a" * 101, within_s=60)), "name a top-level field"),
        (replace(CREATES, key=Derived("a", within_s=0)), "give 1 to 86,400 seconds"),
        (replace(CREATES, key=Derived("a", within_s=float("nan"))), "give 1 to 86,400 seconds"),
        (replace(CREATES, key=Derived("a", within_s="60")), "give 1 to 86,400 seconds"),  # type: ignore[arg-type]  # wrong
        (replace(CREATES, key=Derived("a", within_s=True)), "give 1 to 86,400 seconds"),
        (replace(CREATES, key_field="a.b"), "has key_field='a.b'"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused_at_load(route: Route, said: str) -> None:
    with pytest.raises(BadPlan) as refused:
        plan_of(route, "cookie:session")
    assert said in str(refused.value)


@pytest.mark.parametrize("caller", ["anonymous", ("cookie:session", "anonymous")])
def test_a_derived_key_of_nobody_in_particular_is_refused_at_load(caller: Callers) -> None:
    for subject, route in ((caller, DERIVED), ("cookie:session", replace(DERIVED, caller=caller))):
        with pytest.raises(BadPlan, match="derives its key for anonymous callers"):
            plan_of(route, subject)
    plan_of(replace(DERIVED, caller="cookie:session"), caller)


def plan_of(route: Route, caller: Callers) -> Plan:
    subject = Subject("booking", read=no_orders, caller=caller)
    return Plan(name="p", subject=subject, steps=(Step("mail"),), routes=(route,))
