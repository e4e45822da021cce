"""Event contracts: released ones stand, new ones only add, and every way to break a consumer is found."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from legacy_app.plan.plan import plan
from strangler.step.intents import Json
from tests.contracts.event_schemas import FOLDER, breaks, broken_by, newest, read, topics, versions
from tests.support.orders import OUTCOMES, cancelled, of_order, payload, placed

Change = Callable[[Any], object]
SCHEMA_OF_SCHEMAS = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
STOCK = {"by": "legacy", "sold_out": None, "short": 0}


def test_every_topic_of_the_plan_has_a_contract() -> None:
    assert topics() == sorted(plan.topics)
    assert all(versions(topic) == list(range(1, len(versions(topic)) + 1)) for topic in topics())


@pytest.mark.parametrize("topic", topics())
def test_a_contract_is_a_schema(topic: str) -> None:
    for version in versions(topic):
        contract = read(topic, version)
        for schema in contract["events"].values():
            whole = {**schema, "$defs": contract.get("$defs", {})}
            assert list(SCHEMA_OF_SCHEMAS.iter_errors(whole)) == [], f"{topic} {version}"


def test_a_released_contract_never_changes() -> None:
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.*.json")}

    assert files == json.loads((FOLDER / "released.json").read_text()), "a change is a new file; add its digest"


@pytest.mark.parametrize("topic", topics())
def test_each_version_is_compatible_with_the_one_before(topic: str) -> None:
    for old, new in itertools.pairwise(versions(topic)):
        assert breaks(read(topic, old), read(topic, new)) == [], f"{topic} {old} -> {new}"


def shape_of(contract: Any) -> Any:
    return contract["$defs"]["order"]


def outcome_of(contract: Any) -> Any:
    return contract["events"]["StockReserved"]["properties"]["outcome"]


def test_an_order_is_the_same_in_every_topic() -> None:
    shapes = [newest(topic).get("$defs") for topic in topics() if topic != "notification"]

    assert len(shapes) == 4
    assert all(shape == shapes[0] for shape in shapes)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda new: new["events"].pop("StockReleased"), "event StockReleased is gone"),
        (lambda new: shape_of(new)["properties"].pop("country"), "StockReserved.country is gone"),
        (lambda new: shape_of(new)["required"].remove("country"), "StockReserved.country is optional now"),
        (lambda new: shape_of(new)["properties"]["total_minor"].update(type="number"), "total_minor has another type"),
        (lambda new: shape_of(new)["properties"]["channel"]["enum"].append("phone"), "channel has another enum"),
        (lambda new: shape_of(new)["properties"]["channel"]["enum"].remove("web"), "channel has another enum"),
        (lambda new: shape_of(new).update(additionalProperties=False), "has another additionalProperties"),
        (lambda new: new["$defs"]["line"]["properties"].pop("sku"), "StockReserved.lines[].sku is gone"),
        (lambda new: shape_of(new)["properties"]["lines"].pop("items"), "lines has other items"),
        (
            lambda new: outcome_of(new)["required"].remove("by"),
            "StockReserved.outcome.by is optional now",
        ),
        (
            lambda new: outcome_of(new)["properties"]["short"].update(minimum=1),
            "StockReserved.outcome.short has another minimum",
        ),
        (
            lambda new: [
                shape_of(new)["properties"].update(gift={"type": "boolean"}),
                shape_of(new)["required"].append("gift"),
            ],
            "StockReserved.gift is required now",
        ),
    ],
)
def test_a_break_is_found_and_named(change: Change, named: str) -> None:
    old = read("inventory", 1)
    new = copy.deepcopy(old)
    change(new)

    assert any(named in found for found in breaks(old, new)), breaks(old, new)


@pytest.mark.parametrize(
    "change",
    [
        lambda new: shape_of(new)["properties"].update(gift={"type": "boolean"}),
        lambda new: new["events"].update(StockMoved=new["events"]["StockReserved"]),
        lambda new: new["events"]["StockReserved"].update(description="In other words."),
        lambda new: shape_of(new)["properties"]["channel"]["enum"].reverse(),
        lambda new: shape_of(new)["required"].reverse(),
    ],
    ids=["optional field", "event type", "words", "order of values", "order of required"],
)
def test_what_only_adds_is_compatible(change: Change) -> None:
    old = read("inventory", 1)
    new = copy.deepcopy(old)
    change(new)

    assert breaks(old, new) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, None),
        ({"gift": True}, None),
        ({"outcome": {"by": "nobody", "sold_out": None, "short": 0}}, "StockReserved.outcome.by"),
        ({"outcome": {"by": "new", "short": 0}}, "'sold_out' is a required property"),
        ({"status": "lost"}, "StockReserved.status"),
        ({"total_minor": "10"}, "StockReserved.total_minor"),
        ({"lines": [{"sku": "A"}]}, "StockReserved.lines[0]"),
    ],
)
def test_a_payload_is_held_against_the_contract(changes: dict[str, Json], named: str | None) -> None:
    found = broken_by("inventory", "StockReserved", {**payload("o-1"), "outcome": STOCK, **changes})

    assert bool(found) is (named is not None)
    assert named is None or any(named in one for one in found), found


def test_an_unknown_event_has_no_contract() -> None:
    assert broken_by("inventory", "StockLost", {}) == ["topic inventory has no event StockLost"]


def test_the_events_that_tests_write_by_hand_keep_the_contract() -> None:
    middle = [of_order(type_, "o-1") for type_ in (*OUTCOMES, "OrderReceived", "OrderRejected")]
    for event in (placed("o-1"), cancelled("o-1"), cancelled("o-1", whole=False), *middle):
        assert broken_by(event.aggregate_type, event.type, event.payload) == []
