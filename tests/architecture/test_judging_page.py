"""The page on judging names every verdict with its exit code, and every fault that can be planted with its verdict."""

from __future__ import annotations

import re
from pathlib import Path

from strangler.facts import FINDINGS, Verdict
from strangler.planting import KINDS, STUCK

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/judging.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Its rows, by cells without code marks."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^\| (`.*) \|$", section, re.MULTILINE)
    return [[cell.strip("` ") for cell in line.split(" | ")] for line in lines]


def test_every_verdict_is_named_with_its_exit_code() -> None:
    codes = dict.fromkeys(Verdict, "0") | dict.fromkeys(FINDINGS, "1") | {Verdict.UNKNOWN: "3"}

    assert {row[0]: row[-1] for row in table("Verdicts")} == {verdict.value: code for verdict, code in codes.items()}


def test_every_kind_of_fault_is_named_with_a_verdict() -> None:
    named = {row[0]: row[-1] for row in table("Planting faults")}

    assert set(named) == {*KINDS, STUCK}
    assert set(named.values()) <= {verdict.value for verdict in Verdict}
