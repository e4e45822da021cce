"""The proof of a choreography is a judge: every way to spoil the sample's graph must be found, by its own rule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from legacy_app.plan.choreography import choreography as shop
from legacy_app.plan.plan import plan
from new_services.order.status import ACCEPTANCE_S
from strangler.choreography import BrokenRule, Choreography, Event, Final, Promise, Reaction, prove
from strangler.choreography.runs import runs
from tests.support.services import SERVICES

STEPS = {step.name: step.context.topics if step.context else None for step in plan.steps}


def problems(graph: Choreography) -> Sequence[BrokenRule]:
    return prove(graph, topics=plan.topics, steps=STEPS)


def rules(graph: Choreography) -> set[str]:
    return {problem.rule for problem in problems(graph)}


def with_event(type_: str, **changed: object) -> Choreography:
    events = tuple(replace(event, **changed) if event.type == type_ else event for event in shop.events)  # type: ignore[arg-type]  # fields by name
    return replace(shop, events=events)


def with_reaction(on: str, of: str, **changed: object) -> Choreography:
    reactions = tuple(
        replace(one, **changed) if (one.on, one.step) == (on, of) else one  # type: ignore[arg-type]  # fields by name
        for one in shop.reactions
    )
    assert reactions != shop.reactions
    return replace(shop, reactions=reactions)


def without(on: str, step: str) -> Choreography:
    return replace(shop, reactions=tuple(one for one in shop.reactions if (one.on, one.step) != (on, step)))


def test_the_shop_is_proved() -> None:
    assert problems(shop) == []


@pytest.mark.parametrize("step", sorted({one.step for one in shop.reactions}))
def test_a_deadline_is_the_one_that_the_steps_own_policy_promises(step: str) -> None:
    promised = ACCEPTANCE_S if step == "order" else SERVICES[step].policy.deadline_s
    assert {one.within_s for one in shop.reactions if one.step == step} == {promised}


def test_the_shops_runs_are_these() -> None:
    ends = {tuple(sorted(visit.type for visit in run if visit.ends)) for run in runs(shop)}
    assert ends == {
        ("OrderPlaced",),
        ("OrderRejected",),  # fraud or inventory has refused: nothing to take back
        ("StockReleased",),
        ("PaymentRefunded", "StockReleased"),
        ("OrderCancelled",),
    }
    assert len(runs(shop)) == 6
    assert max(visit.at_s for run in runs(shop) for visit in run) == 60 + 120 + 120 + 60 + 120


@pytest.mark.parametrize(
    ("graph", "rule", "said"),
    [
        (replace(shop, starts=()), "no_start", "no event begins"),
        (replace(shop, events=(*shop.events, shop.events[0])), "declared_twice", "OrderReceived is declared 2 times"),
        (replace(shop, reactions=(*shop.reactions, shop.reactions[0])), "declared_twice", "fraud reacts to Order"),
        (replace(shop, starts=("OrderReceved",)), "unknown_event", "`starts` names 'OrderReceved'"),
        (with_reaction("FraudCleared", "inventory", leads_to=("StockTaken",)), "unknown_event", "'StockTaken'"),
        (with_reaction("OrderRejected", "payment", only_after=("Payed",)), "unknown_event", "'Payed'"),
        (with_event("StockReserved", undone_by="StockGone"), "unknown_event", "StockReserved.undone_by"),
        (replace(shop, promises=(Promise("p", "PaymentTaken", ("Nothing",)),)), "unknown_event", "'Nothing'"),
        (with_event("StockRefused", topic="stock"), "unknown_topic", "topic 'stock'"),
        (with_event("OrderReceived", by=()), "nobody_appends", "nobody appends OrderReceived"),
        (with_event("FraudCleared", by=("risk",)), "nobody_appends", "fraud leads to FraudCleared, but is not among"),
        (with_event("FraudCleared", by=("fraud", "risk")), "nobody_appends", "risk appends FraudCleared, but no"),
        (with_event("OrderPlaced", final=Final.QUARANTINED), "bad_final", "OrderPlaced ends as quarantined"),
        (without("FraudRefused", "order"), "no_consumer", "no step reacts to FraudRefused"),
        (with_reaction("FraudCleared", "inventory", step="stock"), "no_consumer", "stock reacts to FraudCleared"),
        (replace(shop, also_reads={"order": ("fraud", "payment")}), "no_consumer", "order reacts to StockRefused"),
        (replace(shop, also_reads=None), "no_consumer", "order reacts to PaymentTaken, but is neither"),
        (with_reaction("FraudCleared", "inventory", parks_in=""), "nowhere_to_park", "for a FraudCleared"),
        (with_reaction("FraudCleared", "inventory", within_s=0.0), "no_deadline", "inventory's on FraudCleared"),
        (with_reaction("FraudCleared", "inventory", within_s=math.inf), "no_deadline", "is inf s"),
        (with_reaction("FraudCleared", "inventory", within_s=math.nan), "no_deadline", "is nan s"),
        (replace(shop, within_s=-1.0), "no_deadline", "the subject's deadline"),
        (with_reaction("FraudCleared", "inventory", within_s=400.0), "deadlines_do_not_add_up", "may take 760 s"),
        (replace(shop, within_s=479.0), "deadlines_do_not_add_up", "-> StockReleased may take 480 s, a subject 479 s"),
        (
            with_reaction("StockRefused", "order", leads_to=("OrderRejected", "OrderReceived")),
            "endless",
            "OrderReceived -> FraudCleared -> StockRefused -> OrderReceived",
        ),
        (
            replace(shop, events=(*shop.events, Event("Forgotten", "order", ("order",), Final.DONE))),
            "unreachable",
            "no path leads to Forgotten",
        ),
        (with_event("OrderRejected", final=None), "unended", "-> FraudRefused -> OrderRejected"),
        (with_event("OrderRejected", final=Final.DONE), "ends_twice", "OrderRejected (done)"),
        (with_event("StockReserved", undone_by=""), "not_compensated", "nothing undoes it"),
        (without("OrderRejected", "payment"), "not_compensated", "no PaymentRefunded follows"),
        (
            with_reaction("OrderRejected", "inventory", only_after=("PaymentTaken",)),
            "not_compensated",
            "PaymentRefused -> OrderRejected",
        ),
        (with_event("FraudCleared", acts="books a review"), "not_compensated", "FraudCleared books a review"),
        (
            with_reaction("OrderRejected", "inventory", only_after=("PaymentTaken",)),
            "promise_broken",
            "'stock held for an order that is none' has a path",
        ),
    ],
)  # fmt: skip
def test_a_spoilt_graph_is_found_by_its_rule(graph: Choreography, rule: str, said: str) -> None:
    found = [problem for problem in problems(graph) if problem.rule == rule]
    assert any(said in str(problem) for problem in found), problems(graph)


@pytest.mark.parametrize(
    "graph",
    [
        without("OrderRejected", "payment"),
        with_reaction("OrderRejected", "payment", only_after=("PaymentRefused",)),
        with_reaction("PaymentTaken", "order", leads_to=("OrderPlaced", "StockReleased")),
    ],
)
def test_payment_taken_order_missing_is_found_as_a_path(graph: Choreography) -> None:
    broken = [problem.said for problem in problems(graph) if problem.rule == "promise_broken"]
    path = "OrderReceived -> FraudCleared -> StockReserved -> PaymentTaken -> "
    assert any(said.startswith(f"'payment taken, order missing' has a path: {path}") for said in broken)


def test_what_was_undone_before_it_was_done_is_not_undone() -> None:
    events = (
        Event("Begun", "order", ("client",)),
        Event("Refunded", "order", ("shop",)),
        Event("Charged", "order", ("shop",), acts="takes money", undone_by="Refunded"),
        Event("GivenUp", "order", ("shop",), Final.COMPENSATED),
    )
    path = [one.type for one in events]
    reactions = [Reaction(on, "shop", (to,), 1.0, "shop") for on, to in pairwise(path)]
    promise = Promise("money lost", "Charged", ("Refunded",))
    graph = Choreography(("Begun",), events, tuple(reactions), 9.0, (promise,), also_reads={"shop": ("order",)})
    assert rules(graph) == {"not_compensated", "promise_broken"}


def test_an_order_that_is_done_keeps_what_was_done_for_it() -> None:
    reaction = Reaction("OrderPlaced", "inventory", ("StockReleased",), 1.0, "inventory")
    graph = replace(with_event("StockReleased", final=Final.DONE), reactions=(*shop.reactions, reaction))
    assert "undone_though_done" in rules(graph)


def test_a_graph_that_explodes_is_said_to() -> None:
    wide = [Event(f"E{level}{side}", "order", ("order",)) for level in range(15) for side in "ab"]
    reactions = [
        Reaction(event.type, "order", (f"E{level + 1}a", f"E{level + 1}b"), 1.0, "resume")
        for level in range(14)
        for event in wide[2 * level : 2 * level + 2]
    ]
    graph = Choreography(("E0a",), tuple(wide), tuple(reactions), 60.0, also_reads={"order": ("order",)})
    assert "too_many_runs" in rules(graph)


def one_part_gone() -> Iterator[tuple[str, Choreography]]:
    """Every single thing that the shop declares, left out or weakened."""
    for event in shop.events:
        yield f"no event {event.type}", replace(shop, events=tuple(one for one in shop.events if one is not event))
        yield f"nobody appends {event.type}", with_event(event.type, by=())
        if event.final is not None:
            yield f"{event.type} is not final", with_event(event.type, final=None)
        if event.undone_by:
            yield f"{event.type} is never undone", with_event(event.type, undone_by="")
    for one in shop.reactions:
        yield f"{one.step} parks no {one.on}", with_reaction(one.on, one.step, parks_in="")
        yield f"{one.step} has no deadline for {one.on}", with_reaction(one.on, one.step, within_s=0.0)
        if one.leads_to:
            yield f"{one.step} does not react to {one.on}", without(one.on, one.step)
            yield f"{one.step} takes ten minutes for {one.on}", with_reaction(one.on, one.step, within_s=601.0)
        for follower in one.leads_to if len(one.leads_to) > 1 else ():
            rest = tuple(other for other in one.leads_to if other != follower)
            yield f"{one.on} never leads to {follower}", with_reaction(one.on, one.step, leads_to=rest)
    for step in STEPS:
        yield f"{step} is not of the plan", replace(shop, also_reads={"order": ("fraud",), step: ()})


def test_no_part_of_the_graph_can_be_missing_unseen() -> None:
    spoilt = list(one_part_gone())
    assert len(spoilt) > 80
    assert [what for what, graph in spoilt if not problems(graph)] == []
