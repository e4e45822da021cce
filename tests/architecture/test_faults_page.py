"""The page of faults names tests, clauses, metrics and commands that exist, and leaves none of its faults half told."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from outbox import telemetry
from outbox.consumer import Metric
from strangler.cli import main
from strangler.step.effect_metrics import EffectMetric
from tests.unit.policies import LOSSY

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "faults.md"
FAULTS = frozenset(
    {
        "undecodable record",
        "unknown type",
        "unknown version",
        "missing header",
        "wrong tenant",
        "giant record",
        "poison handler",
        "handler hangs",
        "missing version",
        "vendor hangs",
        "vendor charges, then times out",
        "rate-limited vendor",
        "database restart",
        "missing topic",
        "lost position",
        "broker restart",
        "rebalance storm",
        "process stopped before its commit",
        "process killed",
        "two versions at once",
        "clock skew",
        "stuck partition",
        "order decided while it is judged",
        "overload of a flow that samples",
        "retry budget spent",
        "relay sends again",
        "position that falls",
        "foreign source",
        "moved database",
        "aborted transaction",
        "unreadable batch",
    }
)
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\([^)]+\)")


def table(first: str) -> list[list[str]]:
    """The cells of the table whose first heading is this, without headings."""
    found: list[list[str]] = []
    inside = False
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        inside = bool(cells) and (inside or cells[0] == first)
        if inside and cells[0] != first and not set(cells[0]) <= {"-"}:
            found.append(cells)
    return found


ROWS = table("Fault")


def rows(column: int) -> list[tuple[str, str]]:
    return [(row[0], row[column]) for row in ROWS]


def test_every_fault_is_there_and_no_cell_is_empty() -> None:
    assert {row[0] for row in ROWS} == FAULTS
    assert [row[0] for row in ROWS if len(row) != 6 or not all(row)] == []


@pytest.mark.parametrize(("fault", "cell"), rows(2))
def test_what_declares_an_outcome_exists(fault: str, cell: str) -> None:
    clauses = CODE.findall(cell)
    assert clauses or LINK.search(cell), fault
    assert [clause for clause in clauses if clause not in LOSSY.terms()] == []


@pytest.mark.parametrize(("fault", "cell"), rows(3))
def test_metrics_exist(fault: str, cell: str) -> None:
    known = {*Metric, *EffectMetric, *get_args(telemetry.Metric)}
    assert CODE.findall(cell), fault
    assert [name for name in CODE.findall(cell) if name not in known] == []


@pytest.mark.parametrize("command", sorted({name for _, cell in rows(4) for name in CODE.findall(cell)}))
def test_commands_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *verbs = command.split()
    assert program == "strangler"
    assert main([*verbs, "--help"]) == 0
    assert verbs[-1] in capsys.readouterr().out


REQUESTS = [(row[0], row[-1]) for row in table("Request")]


@pytest.mark.parametrize(("fault", "cell"), [*rows(5), *REQUESTS])
def test_tests_exist(fault: str, cell: str) -> None:
    assert CODE.findall(cell), fault
    for shown in CODE.findall(cell):
        path, _, name = shown.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, shown
