"""Under load and after trouble the classes bend as declared, and under other rules they do not. Short runs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from tests.admission import __main__ as command
from tests.admission.loads import Found
from tests.admission.scenarios import SCENARIOS

# The first promises are a crowd, since their seconds are whole: of them only a long run tells.
LONG = ("top_attempts", "returned_well", "retry_after_error", "p99_of_unloaded")


@cache
def found(name: str, seconds: float, seed: int = 1) -> Found:
    return SCENARIOS[name].run(seed, seconds)


@pytest.mark.parametrize(
    ("name", "seconds"), [("overload_2x", 6), ("overload_4x", 4), ("overload_10x", 3), ("surge", 4)]
)
def test_a_scenario_clears_its_bars(name: str, seconds: float) -> None:
    assert SCENARIOS[name].broken(found(name, seconds), but=LONG) == []
    assert found(name, seconds)["p99_of_unloaded"] < 2.5


def test_no_admission_lets_everything_through_and_nothing_is_answered_in_time() -> None:
    assert found("overload_2x_everybody", 6)["goodput"] < 0.1


def test_without_admission_a_slow_provider_is_never_recovered_from() -> None:
    assert found("slow_everybody", 12)["recovered_s"] == float("inf")


def test_a_limit_without_classes_refuses_checkout_like_bulk() -> None:
    assert found("overload_4x_fixed", 4)["checkout_good"] < 0.9 < found("overload_4x", 4)["checkout_good"]


@pytest.mark.parametrize(("name", "seconds"), [("slow", 18), ("hang_cut", 18), ("hang_uncut", 24)])
def test_a_trouble_ends_with_its_cause(name: str, seconds: float) -> None:
    """Calls that are not cut hold their slots for longer than the trouble lasts."""
    assert found(name, seconds)["recovered_s"] < (6.0 if name == "hang_uncut" else 1.0)
    assert found(name, seconds)["refused_after"] < 0.05


def test_a_rule_by_queue_time_keeps_refusing_after_the_trouble_has_ended() -> None:
    assert found("slow_queue_time", 18)["refused_after"] > 0.3


def test_nobody_waits_beyond_its_deadline() -> None:
    """A starved class never comes to its turn, so only the clock can tell it so."""
    assert found("slow_1.5x", 12)["waited_most_s"] < 1.01


def test_a_hot_tenant_costs_the_others_of_its_class_little() -> None:
    beside = found("hot_tenant", 9)
    assert beside["others_good"] > 0.99
    assert beside["p99_moved"] < 0.25


def test_a_dry_run_foretells_what_is_refused_and_lost() -> None:
    beside = found("foretold_2x", 8)
    assert beside["lost_off"] < 2.0
    assert beside["refused_off"] < 3.0


@pytest.mark.parametrize(("name", "seconds"), [("knee", 16), ("knee_quiet", 4)])
def test_a_limit_that_nobody_knows_is_found(name: str, seconds: float) -> None:
    assert SCENARIOS[name].broken(found(name, seconds)) == []


def test_the_same_seed_gives_the_same_figures() -> None:
    run = SCENARIOS["overload_2x"].run
    assert run(7, 2.0) == run(7, 2.0) != run(8, 2.0)


def test_the_command_writes_a_report_and_says_what_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "report.json"
    monkeypatch.setattr(
        "sys.argv", ["admission", "--scenario", "overload_2x", "--seconds", "2", "--report", str(report)]
    )

    ended = command.main()

    (run,) = json.loads(report.read_text())
    assert (run["scenario"], run["seed"], ended) == ("overload_2x", 1, 1 if run["broken"] else 0)
    assert "overload_2x seed 1: goodput" in capsys.readouterr().out
