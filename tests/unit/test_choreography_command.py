"""`strangler choreography`: what it shows, and how it ends when the graph does not hold. No database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from legacy_app.plan.choreography import choreography
from strangler.choreography.drawing import mermaid
from strangler.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "choreography.md"
SPOILT = """
from dataclasses import replace
from legacy_app.plan.plan import plan as shop
plan = replace(shop, choreography={graph})
"""
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    """Type a command about a plan: its exit code, stdout and stderr."""

    def run(*argv: str, plan: Path = ROOT / "legacy_app" / "plan" / "plan.py") -> tuple[int, str, str]:
        code = main(["choreography", *argv, "--plan", str(plan)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def plan_with(folder: Path, graph: str) -> Path:
    file = folder / "plan.py"
    file.write_text(SPOILT.format(graph=graph))
    return file


def test_the_graph_is_shown_as_lines(typed: Typed) -> None:
    code, said, _ = typed("show")
    lines = said.splitlines()
    assert code == 0
    assert lines[0] == "every order ends within 600 s; it begins with OrderReceived or OrderCancelled"
    assert "PaymentTaken (payment, by payment); takes money, undone by PaymentRefunded" in lines
    assert "    order, within 60 s -> OrderPlaced or OrderRejected; or parked in resume" in lines
    assert "    payment if there was PaymentTaken, within 120 s -> PaymentRefunded; or parked in payment" in lines
    assert "never: payment taken, order missing (PaymentTaken without OrderPlaced or PaymentRefunded)" in lines


def test_the_graph_is_data_too(typed: Typed) -> None:
    data = json.loads(typed("show", "--json")[1])
    assert data["starts"] == ["OrderReceived", "OrderCancelled"]
    assert data["events"][3]["undone_by"] == "StockReleased"
    assert data["readers"] is None


def test_the_drawing_names_every_event_and_the_page_holds_it(typed: Typed) -> None:
    drawn = typed("show", "--mermaid")[1]
    assert drawn.splitlines() == list(mermaid(choreography))
    for event in choreography.events:
        assert f'"{event.type}<br/>' in drawn
    assert f"```mermaid\n{drawn}```" in PAGE.read_text(), "make it again: strangler choreography show --mermaid"


def test_a_graph_that_holds_is_proved(typed: Typed) -> None:
    code, said, _ = typed("check", "--graph-only")
    assert code == 0
    assert said.startswith("proved from the graph: every path of 12 events ends within 600 s; 'payment taken, order")


def test_a_graph_that_does_not_hold_ends_with_1_and_no_database_is_asked(typed: Typed, tmp_path: Path) -> None:
    spoilt = plan_with(tmp_path, "replace(shop.choreography, within_s=100.0)")
    code, said, _ = typed("check", plan=spoilt)
    assert code == 1
    assert said.startswith("the graph breaks ")
    assert "deadlines_do_not_add_up: OrderReceived -> FraudCleared" in said

    data = json.loads(typed("check", "--json", plan=spoilt)[1])
    assert data["graph"]["proved"] is False
    assert {problem["rule"] for problem in data["graph"]["problems"]} == {"deadlines_do_not_add_up"}
    assert "orders" not in data


def test_a_plan_without_a_choreography_is_told_so(typed: Typed, tmp_path: Path) -> None:
    code, _, said = typed("check", plan=plan_with(tmp_path, "None"))
    assert code == 2
    assert "declares no choreography" in said
