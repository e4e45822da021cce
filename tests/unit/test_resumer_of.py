"""A resumer is made from the application itself, or it is said what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace

import pytest

from outbox import Event
from strangler.cli.run import runnable
from strangler.contexts import Context
from strangler.errors import BadInput, BadPlan
from strangler.plan import Check, Plan, Route, Step, Subject
from strangler.service.resumer import Resumer, resumer_of

CHECK = Check(identity=lambda _: "charge", stateful=False, expected=lambda _: [])
TELLS = {"payment": ("PaymentTaken", "PaymentRefused")}


class Goes:
    """What goes on with subjects, as an application's `Strangled` does."""

    def __init__(self, tells: Mapping[str, tuple[str, str]]) -> None:
        self._tells = tells

    def tells(self) -> Mapping[str, tuple[str, str]]:
        return self._tells

    def go_on(self, subject_ref: str) -> str:
        return subject_ref


def make(tells: Mapping[str, tuple[str, str]]) -> Callable[[], SimpleNamespace]:
    return lambda: SimpleNamespace(extensions={"strangler": Goes(tells)})


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("a_shop")
    monkeypatch.setitem(sys.modules, "a_shop", module)
    return module


@pytest.mark.parametrize(
    "made", [make(TELLS), make(TELLS)(), Goes(TELLS)], ids=["a factory", "an application", "its Strangled"]
)
def test_its_topics_and_types_come_from_what_the_application_awaits(shop: ModuleType, made: object) -> None:
    shop.app = made  # type: ignore[attr-defined]  # a module of this test
    found = resumer_of("a_shop:app")

    assert found.context("order") == Context("resume", "resume", ("payment",))
    outcome = Event("payment", "a", 1, "PaymentTaken", b'{"outcome": {"by": "new", "charge_id": "c"}}')
    read = found.handler.func(*found.handler.args).outcome_of(outcome)  # type: ignore[attr-defined]  # a partial
    assert (read.step, read.refused, read.detail) == ("payment", False, {"charge_id": "c"})


def test_of_several_subjects_the_one_that_waits_is_gone_on_with(shop: ModuleType) -> None:
    waits, other = Goes(TELLS), Goes({})
    shop.app = SimpleNamespace(  # type: ignore[attr-defined]  # a module of this test
        extensions={"strangler": other, "strangler_unit_order": waits, "strangler_unit_booking": other}
    )
    assert resumer_of("a_shop:app").topics == ("payment",)


def test_two_subjects_that_wait_are_refused_at_the_start(shop: ModuleType) -> None:
    extensions = {"strangler_unit_order": Goes(TELLS), "strangler_unit_booking": Goes({"seat": ("Held", "Full")})}
    shop.app = SimpleNamespace(extensions=extensions)  # type: ignore[attr-defined]  # a module of this test
    with pytest.raises(BadPlan, match="has 2 subjects that wait for steps"):
        resumer_of("a_shop:app")


def broken() -> object:
    raise RuntimeError("no database")


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (broken, "cannot be made: RuntimeError: no database"),
        (lambda: SimpleNamespace(extensions={}), "call `strangled.init_app`"),
        (make({}), "waits for no step; decorate one with @strangled.awaited"),
    ],
    ids=["a factory that fails", "an application without it", "nothing awaited"],
)
def test_what_cannot_go_on_is_refused_with_what_to_do(shop: ModuleType, made: object, says: str) -> None:
    shop.app = made  # type: ignore[attr-defined]  # a module of this test
    with pytest.raises(BadPlan, match=says):
        resumer_of("a_shop:app")


def test_a_plan_names_the_application_and_knows_what_is_read_without_making_it(shop: ModuleType) -> None:
    shop.app = broken  # type: ignore[attr-defined]  # a module of this test
    plan = Plan(
        "shop",
        Subject("order", table="public.orders", caller="anonymous"),
        (Step("payment", Context("payment", "payment", ("order", "payment")), CHECK, waits=True),),
        (Route("POST /orders", creates="order"),),
        resumer="a_shop:app",
    )
    assert plan.resumer_context() == {"resume": Context("resume", "resume", ("payment",))}
    assert list(plan.runs()) == ["resume"]


def test_an_application_of_the_command_line_goes_before_the_plans(shop: ModuleType) -> None:
    shop.app = make(TELLS)  # type: ignore[attr-defined]  # a module of this test
    plan = Plan(
        "shop",
        Subject("order", table="public.orders", caller="anonymous"),
        (Step("payment"),),
        (Route("POST /orders", creates="order"),),
    )
    assert isinstance(runnable(plan, "resume", app="a_shop:app"), Resumer)
    with pytest.raises(BadInput, match="strangler run resume --app a_shop:app"):
        runnable(plan, "payment", app="a_shop:app")
