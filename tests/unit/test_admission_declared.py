"""What a plan says of who is let in: nonsense is refused with its fix, and every term acts by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from random import Random

import pytest

from strangler import Admission, Belongs, FoundSlots, LagPromise, Plan, Route, Subject, WorkClass
from strangler.admission.declared import admission_problems
from strangler.admission.dry_run import Arrival, Assumed, dry_run
from strangler.checking.pages import page_of
from strangler.errors import BadPlan
from strangler.facade.work_classes import WorkClasses

CHECKOUT = WorkClass("checkout", deadline_s=0.5)
BROWSE = WorkClass("browse", deadline_s=0.5, floor=0.05)
GOOD = Admission(
    classes=(CHECKOUT, BROWSE),
    belongs=(Belongs("POST /orders", "checkout"), Belongs("GET /orders/{ref}", "checkout")),
    others="browse",
    slots=10,
)


def promising(*promises: LagPromise) -> Admission:
    return replace(GOOD, classes=(CHECKOUT, replace(BROWSE, lag_promises=promises)))


def said(admission: Admission) -> str:
    return "\n".join(admission_problems(admission))


def test_a_good_one_has_no_problem() -> None:
    assert said(GOOD) == ""


@pytest.mark.parametrize(
    ("admission", "problem"),
    [
        (replace(GOOD, classes=()), "has no classes; name at least one"),
        (replace(GOOD, classes=(CHECKOUT, BROWSE, CHECKOUT)), "class 'checkout' 2 times; its place is its rank"),
        (replace(GOOD, classes=(CHECKOUT, replace(BROWSE, name="Browse it"))), "cannot stand in a clause; use lower"),
        (replace(GOOD, classes=(CHECKOUT, replace(BROWSE, deadline_s=0.0))), "has deadline_s=0.0; give the seconds"),
        (replace(GOOD, classes=(CHECKOUT, replace(BROWSE, deadline_s=float("inf")))), "has deadline_s=inf; give"),
        (replace(GOOD, classes=(CHECKOUT, replace(BROWSE, floor=-0.1))), "has floor=-0.1; give the share"),
        (replace(GOOD, classes=(CHECKOUT, replace(BROWSE, floor=1.0))), "floors keep 100% of the slots; leave some"),
        (replace(GOOD, classes=(replace(CHECKOUT, floor=0.1), BROWSE)), "is the first, which needs no floor"),
        (replace(GOOD, classes=(CHECKOUT, replace(BROWSE, quota_per_s=0.0))), "has quota_per_s=0.0; give what one"),
        (replace(GOOD, classes=(CHECKOUT, BROWSE, WorkClass("bulk", 30.0))), "nothing belongs to admission's class"),
        (replace(GOOD, others="bulk"), "others are of class 'bulk'; known classes: checkout, browse"),
        (replace(GOOD, belongs=(*GOOD.belongs, Belongs("GET /a", "bulk"))), "'GET /a' is of class 'bulk'; known"),
        (replace(GOOD, belongs=(*GOOD.belongs, GOOD.belongs[0])), "'POST /orders' 2 times, and the first counts"),
        (replace(GOOD, belongs=(Belongs("post /orders", "checkout"),)), "no upper-case token; write it as it is sent"),
        (replace(GOOD, belongs=(Belongs("POST orders", "checkout"),)), "does not begin with '/'; write METHOD"),
        (replace(GOOD, belongs=(Belongs("POST /orders?x", "checkout"),)), "holds one of { } ? # outside"),
        (replace(GOOD, belongs=(*GOOD.belongs, Belongs("* /a", "browse", "X-Partner"))), "'* /a' has a caller that is"),
        (replace(GOOD, belongs=(*GOOD.belongs, Belongs("* /a", "browse", "anonymous"))), "is everybody; leave it out"),
        (replace(GOOD, belongs=(*GOOD.belongs, Belongs("* /a", "checkout", "cookie:s"))), "which nothing lowers it to"),
        (replace(GOOD, classes=(CHECKOUT, replace(BROWSE, degrade=("a b",)))), "degrades 'a b', which cannot stand"),
        (replace(GOOD, slots=0), "has 0 slots; give how many requests"),
        (replace(GOOD, slots=FoundSlots(20, 10)), "finds its slots from 20 to at most 10; start with 1"),
        (replace(GOOD, slots=FoundSlots(0, 10)), "finds its slots from 0 to at most 10; start with 1"),
        (promising(LagPromise("mail", 1.0)), "has a promise of 1.0 s on 'mail'; lag is read once a second, give 2"),
        (promising(LagPromise("mail", float("inf"))), "has a promise of inf s on 'mail'"),
        (promising(LagPromise("mail", 5), LagPromise("mail", 9)), "has 2 promises on 'mail'; leave the shortest"),
    ],
)
def test_nonsense_is_refused_with_its_fix_and_its_page(admission: Admission, problem: str) -> None:
    (found,) = [one for one in said(admission).splitlines() if problem in one]
    assert page_of(found) == "docs/reference/admission.md#in-the-plan"


@pytest.mark.parametrize("term", ["deadline_s", "floor", "quota_per_s"])
def test_no_term_is_nan(term: str) -> None:
    with pytest.raises(BadPlan, match=rf"WorkClass\.{term} is nan"):
        replace(BROWSE, **{term: float("nan")})  # type: ignore[arg-type] # whichever term


def test_a_promise_is_of_a_context_of_the_plans() -> None:
    with pytest.raises(BadPlan, match=r"promises the lag of 'mial', which is no context; it has none"):
        Plan(
            name="shop",
            subject=Subject("order", table="public.orders", caller="anonymous"),
            steps=("mail",),  # type: ignore[arg-type] # a name makes a step
            routes=(Route("POST /orders", creates="order"),),
            admission=promising(LagPromise("mial", 5)),
        )


def test_a_plan_says_it_all_at_once() -> None:
    with pytest.raises(BadPlan, match=r"(?s)0 slots.*") as refused:
        Plan(
            name="shop",
            subject=Subject("order", table="public.orders", caller="anonymous"),
            steps=("mail",),  # type: ignore[arg-type] # a name makes a step
            routes=(Route("POST /orders", creates="order"),),
            admission=replace(GOOD, slots=0, others="nobody"),
        )
    assert "others are of class 'nobody'" in str(refused.value)


def refusals(admission: Admission, tenants: str = "abcd") -> list[tuple[str, int, int]]:
    """Twice what can be served for three seconds, checkout and browse in turn."""
    ranks = WorkClasses(admission)
    asked = [("POST", "/orders"), ("GET", "/search")]
    arrivals = [
        Arrival(
            number / 1_000, ranks.rank(*asked[number % 2], [("X-Partner", "a")]), tenants[number % len(tenants)], 0.02
        )
        for number in range(3_000)
    ]
    found = dry_run(admission.classes, admission.most_slots, arrivals, Assumed(retries=1), Random(1))
    return [(one.name, one.refused.total(), one.lost) for one in found]


# The term, and the same admission with another value of this term alone. `lag_promises` acts by what is read of
# consumers: tests/admission/test_lag.py.
ACTS: Mapping[str, Callable[[], Admission]] = {
    "classes": lambda: replace(GOOD, classes=(BROWSE, CHECKOUT)),
    "belongs": lambda: replace(GOOD, belongs=()),
    "caller": lambda: replace(GOOD, belongs=(*GOOD.belongs, Belongs("POST /orders", "browse", "header:X-Partner"))),
    "others": lambda: replace(GOOD, others="checkout"),
    "slots": lambda: replace(GOOD, slots=14),
    "name": lambda: replace(GOOD, classes=(CHECKOUT, replace(BROWSE, name="look")), others="look"),
    "deadline_s": lambda: replace(GOOD, classes=(CHECKOUT, replace(BROWSE, deadline_s=0.021))),
    "floor": lambda: replace(GOOD, classes=(CHECKOUT, replace(BROWSE, floor=0.0))),
    "quota_per_s": lambda: replace(GOOD, classes=(replace(CHECKOUT, quota_per_s=50.0), BROWSE)),
}


def test_every_term_is_held_against_what_it_does() -> None:
    terms = {one.name for kind in (Admission, WorkClass, Belongs) for one in fields(kind)} - {"target", "work"}
    assert set(ACTS) == terms - {"bulk", "degrade", "lag_promises"}, "test_bulk_turns.py, test_degrade.py, test_lag.py"


@pytest.mark.parametrize("term", ACTS)
def test_a_term_acts_by_itself(term: str) -> None:
    assert refusals(ACTS[term]()) != refusals(GOOD)


@pytest.mark.parametrize(
    ("method", "target", "work"),
    [
        ("POST", "/orders", "checkout"),
        ("POST", "/orders/", "checkout"),
        ("POST", "/orders?coupon=1", "checkout"),
        ("POST", "http://shop.example/orders", "checkout"),
        ("GET", "/orders", "browse"),
        ("GET", "/orders/17", "checkout"),
        ("HEAD", "/orders/17", "checkout"),
        ("GET", "/orders/17/lines", "browse"),
        ("POST", "/Orders", "checkout"),
        ("OPTIONS", "*", "browse"),
        ("GET", "nonsense", "browse"),
    ],
)
def test_method_and_path_decide_the_class(method: str, target: str, work: str) -> None:
    assert GOOD.classes[WorkClasses(GOOD).rank(method, target)].name == work


@pytest.mark.parametrize("target", ["/x/%2e%2e/orders", "//orders", "/a;b/..//orders"])
def test_no_spelling_is_a_way_into_a_higher_class(target: str) -> None:
    upside = replace(GOOD, classes=(BROWSE, CHECKOUT), belongs=(Belongs("* /orders", "checkout"),))
    assert WorkClasses(upside).rank("POST", target) == 1


@pytest.mark.parametrize(
    ("target", "fields", "work"),
    [
        ("/orders", [], "checkout"),
        ("/orders", [("x_partner", "a")], "browse"),
        ("/orders", [("X-Partner", " ")], "checkout"),
        ("//orders", [("X-Partner", "a")], "browse"),
        ("/orders", [("Cookie", "s=1; kiosk=7")], "bulk"),
        ("/orders", [("Cookie", "kiosk=7"), ("X-Partner", "a")], "bulk"),
        ("/search", [("X-Partner", "a")], "browse"),
        ("/lists", [("X-Partner", "a")], "bulk"),
    ],
)
def test_what_a_request_carries_only_lowers_its_class(target: str, fields: list[tuple[str, str]], work: str) -> None:
    belongs = (
        Belongs("* /orders", "browse", "header:X-Partner"),
        Belongs("* /orders", "bulk", "cookie:kiosk"),
        Belongs("* /orders", "checkout"),
        Belongs("* /lists", "browse", "header:X-Partner"),
        Belongs("* /lists", "bulk"),
    )
    asked = replace(GOOD, classes=(CHECKOUT, BROWSE, WorkClass("bulk", 30.0)), belongs=belongs)
    assert said(asked) == ""
    assert asked.classes[WorkClasses(asked).rank("POST", target, fields)].name == work


def test_any_method_is_written_as_a_star() -> None:
    ranks = WorkClasses(replace(GOOD, belongs=(Belongs("* /admin/{rest:path}", "checkout"),)))
    assert {ranks.rank(method, "/admin/a/b") for method in ("GET", "PUT", "PURGE")} == {0}


def test_the_page_names_every_term() -> None:
    page = re.sub(r"\s+", " ", _page())
    assert [one for one in ACTS if f"`{one}`" not in page] == []


def _page() -> str:
    from pathlib import Path

    return (Path(__file__).resolve().parents[2] / "docs" / "reference" / "admission.md").read_text()
