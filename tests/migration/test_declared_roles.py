"""Which roles a plan asks for, and which grants they have: before anything is made in a database."""

from __future__ import annotations

from dataclasses import replace

from legacy_app.plan.plan import plan
from strangler import Admission, LagPromise, WorkClass
from strangler.schema import roles_of


def test_a_long_prefix_keeps_its_roles_apart() -> None:
    long = "x" * 80
    names = {role.name for role in roles_of(plan, long)}
    assert len(names) == len(roles_of(plan, long))
    assert all(len(one.encode()) <= 63 for one in names)


def test_the_facade_may_read_how_far_a_promised_consumer_is_and_no_other() -> None:
    promising = WorkClass("all", deadline_s=1.0, lag_promises=(LagPromise("search", within_s=60.0),))
    promised = replace(plan, admission=Admission((promising,), (), others="all", slots=1), modes=())
    facade, before = [next(one for one in roles_of(of, "shop") if one.kind == "facade") for of in (promised, plan)]
    assert set(facade.grants) - set(before.grants) == {
        'USAGE ON SCHEMA "search"',
        'SELECT ON "search".position, "search".member',
    }
