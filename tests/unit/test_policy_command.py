"""`strangler policy` and `strangler topology`, as people and scripts meet them without a database."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from strangler.cli import main
from strangler.step.intents import Json
from tests.unit.policies import LOSSY

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ("--plan", str(ROOT / "legacy_app" / "plan" / "plan.py"))
BAD = ("--plan", str(ROOT / "tests" / "unit" / "flows_plan.py"))


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("STRANGLER_DSN", "STRANGLER_PLAN", "KAFKA_BOOTSTRAP"):
        monkeypatch.delenv(name, raising=False)


def printed(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    assert main(argv) == code
    return capsys.readouterr().out


def data(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Json:
    return json.loads(printed(capsys, *argv, "--json", code=code))


def test_the_table_has_a_line_for_each_flow(capsys: pytest.CaptureFixture[str]) -> None:
    header, *rows = printed(capsys, "policy", "show", *SAMPLE).splitlines()

    assert header.split()[:3] == ["flow", "class", "loss"]
    assert [row.split()[0] for row in rows] == [
        one["flow"] for one in data(capsys, "policy", "show", *SAMPLE)["policies"]
    ]


def test_one_flow_is_shown_with_every_term(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(capsys, "policy", "show", "advice", *BAD)
    (policy,) = data(capsys, "policy", "show", "advice", *BAD)["policies"]

    assert policy.pop("replay") == "unattended"
    assert policy == json.loads(json.dumps(asdict(LOSSY)))
    assert all(f"{name}: " in shown for name in LOSSY.terms())


def test_what_each_mode_changes_is_explained_where_there_is_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    alone = printed(capsys, "policy", "explain")
    explained = printed(capsys, "policy", "explain", *SAMPLE)
    assert explained.startswith(alone)
    assert "| `peak` | fraud | `numbers.review_from` | 60 | 75 |" in explained.splitlines()
    assert "| `peak` | recommendation | `sampling.keep` | 0.25 | 0.1 |" in explained.splitlines()
    assert {one["where"] for one in data(capsys, "policy", "explain", *SAMPLE)["modes"]["peak"]} == {
        "admission", "bulk", "fraud", "notification", "recommendation",
    }  # fmt: skip


def test_an_unknown_flow_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show", "letters", *SAMPLE]) == 2
    assert "no context 'letters'" in capsys.readouterr().err


def test_the_sample_contradicts_itself_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    checked = data(capsys, "policy", "check", *SAMPLE)

    assert checked["contradictions"] == []
    assert checked["interlock"]["recommendation"]["may_shed"] is False
    assert "no contradiction" in printed(capsys, "policy", "check", *SAMPLE)


def test_every_contradiction_is_printed_and_the_exit_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    checked = data(capsys, "policy", "check", *BAD, code=1)
    said = printed(capsys, "policy", "check", *BAD, code=1)

    assert {found["rule"] for found in checked["contradictions"]} == {"undeclared", "other_name", "shared_pool"}
    assert all(found["fix"] in said for found in checked["contradictions"])
    assert "3 contradiction(s)" in said
    assert "advice may not shed: its reconciliation could not be asked" in said


def test_every_rule_can_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    explained = data(capsys, "policy", "explain")

    assert len(explained["rules"]) >= 25
    assert set(explained["terms"]) >= set(LOSSY.terms()) - {"versions"}


def test_the_topology_is_printed_drawn_and_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert data(capsys, "topology", *SAMPLE)["plan"] == "shop"
    assert printed(capsys, "topology", "--mermaid", *SAMPLE).startswith("flowchart LR\n")
    shown = json.loads(printed(capsys, "topology", "--asyncapi", "-", *SAMPLE))
    printed(capsys, "topology", "--asyncapi", str(tmp_path / "shop.json"), *SAMPLE)

    assert json.loads((tmp_path / "shop.json").read_text()) == shown
    assert shown["operations"]["search_receives_order"]["x-flow-policy"]["flow"] == "search"


def test_a_folder_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["topology", "--asyncapi", str(tmp_path / "no" / "shop.json"), *SAMPLE]) == 2
    assert "no folder" in capsys.readouterr().err
