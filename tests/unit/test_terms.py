"""Whatever is written down for a term, it is taken or refused by its name: never a traceback from where it is used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox import Consumer, InParallel
from outbox.consumer import FloodRule, RuntimeSettings
from outbox.consumer.partitions.bounds import Bound
from outbox.consumer.partitions.watchdog import Patience
from outbox.consumer.retry.breaker import BreakerRule
from outbox.consumer.retry.credits import BudgetRule
from outbox.errors import ConfigurationError, OutboxError
from outbox.policy import Loss, Policy, Quarantine, Retry, Sampling, ServiceClass, Versions, contradictions, require
from strangler import HttpVendor, Plan, Process, Route, Rows, Service, Step, Subject
from strangler.contexts import Context
from strangler.errors import BadInput, StranglerError
from strangler.plan import Check
from strangler.step.effects import SenderSettings
from tests.unit.policies import BULK, LOSSY, STANDARD, place

SERVICE = Service("mail", on=("Placed",), decide=lambda _: [], policy=STANDARD)
SUBJECT = Subject("booking", table="public.bookings", caller="anonymous")
ROUTE = Route("POST /checkout", creates="booking")
SAMPLES: Sequence[Any] = (
    replace(STANDARD, versions=Versions(60.0)),
    LOSSY,
    Retry(),
    Quarantine(),
    Sampling(keep=0.5, above_s=60.0),
    Versions(60.0),
    place(BULK),
    RuntimeSettings(),
    Bound(),
    Patience(),
    BreakerRule(),
    FloodRule(),
    BudgetRule(),
    SenderSettings(),
    InParallel(lambda _: None),  # type: ignore[arg-type, return-value] # never called
    SERVICE,
    Context("mail", "mail", ("booking",)),
    Step("mail"),
    Check(),
    SUBJECT,
    ROUTE,
    Process("legacy", "desk"),
    Plan("desk", SUBJECT, (Step("mail"),), (ROUTE,)),
    HttpVendor("MAIL_URL", send="POST /m"),
    Rows("document", "ref", {"version": "bigint"}),
)
TERMS = [(one, field.name) for one in SAMPLES for field in fields(one) if field.init]

NOT_TEXT = [1, b"a", ["a"], True, 1.5, {}, "a\0b", "half \ud800", str]
WRONG: Mapping[Any, list[Any]] = {
    str: [*NOT_TEXT, None],
    int: ["3", 1.5, True, math.nan, math.inf, [1], None, 10**400, b"1", int, Decimal(1)],
    float: ["3", True, math.nan, [1.0], None, 10**400, float, Decimal("0.1"), 1j],
    bool: [1, 0, "true", None, [], bool],
    NoneType: [],
}


def wrong(hint: Any) -> list[Any]:
    """Values that no term of that type takes; none where only a type checker can tell."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in WRONG:
        return WRONG[hint]
    if origin in (Union, UnionType):
        return wrong_for_all([one for one in arguments if one is not NoneType], none=NoneType in arguments)
    if origin is tuple:
        other = ("a",) if arguments[0] is int else (1,)
        return [1, None, "a", other, *([[1], ("a\0b",), {"a": 1}] if arguments[0] is str else [])]
    if is_dataclass(hint):
        return [1, "a", {}, hint, True, [1]]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return [next(iter(hint)).value, hint, 1, None, True]
    mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return [1, "a", None, [1], {1: 1}] if mapping else [1, None, True, ["a"]] if origin is Literal else []


def wrong_for_all(kinds: Sequence[Any], *, none: bool) -> list[Any]:
    told = [[repr(value) for value in wrong(one)] for one in kinds]
    shared = [value for value in wrong(kinds[0]) if all(repr(value) in one for one in told)]
    return [value for value in shared if not (none and value is None)]


@pytest.mark.parametrize(("sample", "name"), TERMS, ids=lambda one: one if isinstance(one, str) else type(one).__name__)
def test_a_term_of_another_type_is_refused_where_it_is_made_by_its_name(sample: Any, name: str) -> None:
    for value in wrong(get_type_hints(type(sample))[name]):
        with pytest.raises((OutboxError, StranglerError), match=rf"{type(sample).__name__}\.{name} "):
            replace(sample, **{name: value})


def test_a_list_is_as_good_as_the_tuple_that_it_becomes() -> None:
    tuples = [(one, name) for one, name in TERMS if get_origin(get_type_hints(type(one))[name]) is tuple]
    assert tuples
    assert all(replace(one, **{name: list(getattr(one, name))}) == one for one, name in tuples)


NUMBERS = {
    "deadline_s": lambda value: replace(STANDARD, deadline_s=value),
    "rate_per_s": lambda value: replace(STANDARD, rate_per_s=value),
    "queue_bound": lambda value: replace(STANDARD, queue_bound=value),
    "queue_bytes": lambda value: replace(STANDARD, queue_bytes=value),
    "degrade_order": lambda value: replace(BULK, degrade_order=value),
    "attempts": lambda value: replace(STANDARD, retry=Retry(attempts=value)),
    "base_s": lambda value: replace(STANDARD, retry=Retry(base_s=value)),
    "cap_s": lambda value: replace(STANDARD, retry=Retry(cap_s=value)),
    "budget_ratio": lambda value: replace(STANDARD, retry=Retry(budget_ratio=value)),
    "budget_floor_per_s": lambda value: replace(STANDARD, retry=Retry(budget_floor_per_s=value)),
    "ratio": lambda value: replace(STANDARD, quarantine=Quarantine(ratio=value)),
    "consecutive": lambda value: replace(STANDARD, quarantine=Quarantine(consecutive=value)),
    "keep": lambda value: replace(LOSSY, sampling=Sampling(keep=value, above_s=60.0)),
    "above_s": lambda value: replace(LOSSY, sampling=Sampling(keep=0.5, above_s=value)),
    "wait_s": lambda value: replace(STANDARD, versions=Versions(value)),
}


@pytest.mark.parametrize("name", NUMBERS)
@given(st.one_of(st.sampled_from([0, -1, -0.5, math.nan, math.inf, -math.inf, 10**400]), st.floats(max_value=0)))
def test_a_number_that_no_policy_means_is_refused_by_its_name(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=name):
        require(NUMBERS[name](value))


TIMES = [
    (one, field.name)
    for one in SAMPLES
    if isinstance(one, RuntimeSettings | Bound | Patience | BreakerRule | FloodRule | BudgetRule | SenderSettings)
    for field in fields(one)
    if isinstance(getattr(one, field.name), int | float)
]


@pytest.mark.parametrize(("sample", "name"), TIMES, ids=lambda one: one if isinstance(one, str) else type(one).__name__)
@pytest.mark.parametrize("value", [-1, -0.5, math.nan, -math.inf, 10**400])
def test_a_number_that_no_runtime_can_work_with_is_refused_by_its_name(sample: Any, name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"{type(sample).__name__}\.{name} is"):
        replace(sample, **{name: value})


def settings(**said: Any) -> RuntimeSettings:
    return RuntimeSettings(**said)


ZERO = {"sweep_s", "commit_s", "grace_s", "drain_s", "broker_patience_s"}


@pytest.mark.parametrize("name", [name for one, name in TIMES if isinstance(one, RuntimeSettings)])
def test_nothing_waits_for_no_time_and_nobody_works_on_nothing(name: str) -> None:
    if name in ZERO:  # at once, or not at all
        assert getattr(settings(**{name: 0}), name) == 0
    else:
        with pytest.raises(ConfigurationError, match=rf"RuntimeSettings\.{name} is 0; give"):
            settings(**{name: 0})


@pytest.mark.parametrize("value", [math.inf, 1e400])
@pytest.mark.parametrize("name", [name for one, name in TIMES if isinstance(one, RuntimeSettings)])
def test_only_what_may_be_without_end_is(name: str, value: float) -> None:
    if name in ("run_s", "broker_patience_s"):
        assert getattr(settings(**{name: value}), name) == math.inf
    else:
        with pytest.raises(ConfigurationError, match=rf"RuntimeSettings\.{name} is inf"):
            settings(**{name: value})


@pytest.mark.parametrize(
    "retry", [Retry(attempts=0), Retry(base_s=-1), Retry(base_s=5, cap_s=1), Retry(budget_ratio=-1)]
)
def test_a_runtime_takes_no_retry_that_cannot_be(retry: Retry) -> None:
    with pytest.raises(ConfigurationError, match="Retry"):
        RuntimeSettings(retry=retry)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Policy.lossless("60", "the claim"),  # type: ignore[arg-type] # the point
        lambda: Policy.lossless([60], "the claim"),  # type: ignore[arg-type] # the point
        lambda: Policy.lossless(math.nan, "the claim"),
        lambda: Policy.lossless(math.inf, "the claim"),
        lambda: Policy.lossless(1e400, "the claim"),
        lambda: Policy.lossless(60, "the claim", rate_per_s="10"),  # type: ignore[arg-type] # the point
        lambda: Policy.lossless(60, None),  # type: ignore[arg-type] # the point
        lambda: Policy.lossless(60, " "),
        lambda: Policy.lossy(60, 0.5),  # type: ignore[arg-type] # the point
        lambda: Policy.lossy(60, replayable=False),
        lambda: Policy.deferrable(60, "the claim", retry={"attempts": 3}),  # type: ignore[arg-type] # the point
    ],
)
def test_the_kinds_of_policy_refuse_what_the_policy_does(make: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"policy|Policy\."):
        require(make())


def test_the_plain_text_of_a_choice_is_no_choice_and_the_choices_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"Policy\.loss is 'lossless', a str; give Loss\.LOSSLESS or"):
        replace(STANDARD, loss="lossless")  # type: ignore[arg-type] # the point
    assert contradictions(replace(STANDARD, loss=Loss.LOSSLESS, service_class=ServiceClass.STANDARD)) == []


GIVEN: dict[str, Any] = {
    "topics": ["invoice"],
    "group": "totals",
    "handler": lambda *_: None,
    "dsn": "postgresql://user:secret@host/db",
    "bootstrap": "localhost:9092",
}


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "topics": ["invoice", [], [""], [1], None, 1, ["a\0"]],
        "group": ["", " ", None, 1, "a\0b"],
        "schema": [" ", 1, "a\0b"],
        "handler": [None, "count", 1],
        "dsn": [None, 1, "postgresql://user:secret@host/db\0"],
        "bootstrap": [None, 1],
        "policy": ["lossless", {}, 1],
        "lanes": [0, -1, True, "8", 1.5, math.nan, 10**400, 10**9],
        "observe": ["print"],
        "prefix": [None, 1, "a\0"],
        "compensate": [1, "undo"],
        "sources": [1, "a", [1]],
    }.items(),
)
def test_a_consumer_is_refused_for_a_wrong_argument_by_its_name(name: str, values: Sequence[Any]) -> None:
    for value in values:
        with pytest.raises(ConfigurationError, match=name) as refused:
            Consumer(**{**GIVEN, name: value})
        assert "secret" not in str(refused.value)
    assert Consumer(**GIVEN)


@pytest.mark.parametrize("steps", ["mail", None, 1, (1,), (None,), ({"name": "mail"},)])
def test_a_plan_says_which_of_its_steps_is_none(steps: Any) -> None:
    with pytest.raises(BadInput, match=r"Plan\.steps"):
        Plan("desk", SUBJECT, steps, (ROUTE,))


@pytest.mark.parametrize("topics", [{"order": 0}, {"order": -1}, {" ": 4}, {"order": 10**9}])
def test_a_plan_refuses_a_topic_that_cannot_be(topics: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="topics has"):
        Plan("desk", SUBJECT, (Step("mail"),), (ROUTE,), topics=topics)


@pytest.mark.parametrize("said", [{"on": ("",)}, {"on": (" ",)}, {"topics": (" ",)}, {"tables": ("",)}])
def test_a_service_refuses_a_blank_name(said: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=f"blank name in `{next(iter(said))}`"):
        replace(SERVICE, **said)
