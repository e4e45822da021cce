"""Each rule of policies beside each other: a pair that breaks it alone is named with its fix."""

from dataclasses import replace

import pytest

from outbox.policy import Expired, Loss, Placed, contradictions_among
from outbox.policy.cross_policy_rules import CIRCLE_RULES, PAIR_RULES, PLACE_RULES
from tests.unit.policies import BULK, CRITICAL, GOOD, LOSSY, STANDARD, place

DAY_S = 86_400.0
REJECTABLE = replace(STANDARD, flow="intake", loss=Loss.REJECTABLE, degrade_order=3)
BREAKS: dict[str, list[Placed]] = {
    "other_name": [place(STANDARD, name="letters")],
    "deadline_beyond_retention": [place(STANDARD, retention_s=600.0)],
    "deferred_beyond_retention": [place(replace(BULK, expired=Expired.DEFER), retention_s=7_200.0)],
    "memory": [place(STANDARD, partitions=33)],
    "same_flow": [place(STANDARD), place(STANDARD, group="again", pool="again")],
    "shared_group": [place(STANDARD, group="one"), place(CRITICAL, group="one")],
    "shared_pool": [place(CRITICAL, pool="one"), place(BULK, pool="one")],
    "shared_topic": [place(CRITICAL, writes=("both",)), place(STANDARD, writes=("both", "own"))],
    "waits_for_lower_class": [
        place(replace(STANDARD, deadline_s=30.0), writes=("a",)),
        place(CRITICAL, reads=("a",)),
    ],
    "degrade_clash": [place(BULK), place(replace(LOSSY, degrade_order=2))],
    "degrade_inverted": [place(replace(REJECTABLE, degrade_order=1)), place(BULK)],
    "deadline_inverted": [place(STANDARD, writes=("a",)), place(replace(BULK, deadline_s=599.0), reads=("a",))],
    "fed_by_lossy": [
        place(replace(LOSSY, deadline_s=600.0), writes=("a",)),
        place(replace(STANDARD, deadline_s=600.0), reads=("a",)),
    ],
    "order_lost_upstream": [
        place(
            replace(STANDARD, ordering_scope="none"),
            writes=("a",),
        ),
        place(BULK, reads=("a", "b")),
    ],
    "fed_in_a_circle": [
        place(STANDARD, reads=("c",), writes=("a",)),
        place(replace(STANDARD, flow="letters"), reads=("a",), writes=("b",)),
        place(replace(STANDARD, flow="parcels"), reads=("b",), writes=("c",)),
    ],
    "replay_stops_upstream": [place(replace(REJECTABLE, replayable=False), writes=("a",)), place(BULK, reads=("a",))],
}
NAMES = [rule.name for rule in (*PLACE_RULES, *PAIR_RULES, *CIRCLE_RULES)]


def test_every_rule_has_policies_that_break_it() -> None:
    assert set(BREAKS) == set(NAMES)
    assert len(NAMES) == len(set(NAMES))


def test_sound_policies_in_places_of_their_own_break_none() -> None:
    assert contradictions_among([place(policy) for policy in GOOD]) == []


def test_a_chain_whose_deadlines_grow_breaks_none() -> None:
    chain = [place(CRITICAL, writes=("payment",)), place(STANDARD, reads=("payment",), writes=("mails",))]

    assert contradictions_among([*chain, place(BULK, reads=("mails", "payment"))]) == []


def test_critical_flows_may_share_what_no_lower_one_uses() -> None:
    other = replace(CRITICAL, flow="stock")
    shared = [place(one, group="one", pool="one", writes=("both",)) for one in (CRITICAL, other)]

    assert contradictions_among(shared) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("turned", [False, True], ids=["as they stand", "turned round"])
def test_policies_that_break_one_rule_are_named_for_that_rule_alone(name: str, *, turned: bool) -> None:
    placed = BREAKS[name][::-1] if turned else BREAKS[name]

    (found,) = contradictions_among(placed)

    assert found.rule == name
    assert set(found.flows) == {one.name for one in placed}
    assert found.fix


def test_every_circle_is_named_once_and_who_reads_its_own_is_none() -> None:
    placed = [
        place(STANDARD, reads=("a",), writes=("a",)),
        place(replace(STANDARD, flow="letters"), reads=("b", "order"), writes=("c",)),
        place(replace(STANDARD, flow="parcels"), reads=("c",), writes=("b",)),
        place(replace(STANDARD, flow="stamps"), reads=("b",)),
    ]

    found = contradictions_among(placed)

    assert [(one.rule, one.flows) for one in found] == [("fed_in_a_circle", ("letters", "parcels"))]
    assert "letters -> parcels -> letters" in found[0].what


def test_all_are_found_at_once_within_and_among() -> None:
    placed = [
        place(replace(CRITICAL, queue_reason=""), group="one", pool="one"),
        place(STANDARD, group="one", pool="one"),
        place(replace(BULK, degrade_order=1)),
        place(LOSSY),
    ]

    assert {found.rule for found in contradictions_among(placed)} == {
        "queue_reason",
        "shared_group",
        "shared_pool",
        "degrade_clash",
    }
