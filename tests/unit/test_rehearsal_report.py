"""The rehearsal's report says no whenever anything is not as it must be."""

import io

import pytest

from legacy_app.rehearsal.narrator import Narrator
from legacy_app.rehearsal.report import RehearsalReport, StepCounts, unexpected

VERDICTS = ("missing", "extra", "mismatch", "duplicate", "unknown", "late", "acted", "failed")


def flawless() -> RehearsalReport:
    return RehearsalReport(
        legacy_disease={"timeouts": 40},
        peak={
            "without": {"classes": {name: {"came": 10, "good": 1} for name in ("continue", "checkout")}},
            "with": {
                "classes": {"continue": {"came": 10, "good": 10}, "checkout": {"came": 10, "good": 4}},
                "lost": 0,
                "duplicate_orders": 0,
            },
        },
        orders={"offered": 40, "accepted": 39, "lost": 0, "duplicated": 0},
        new_path={"payments_without_order": 0, "duplicate_orders": 0, "timeouts": 0},
        choreography={"done": 39, "stuck": 0, "contradiction": 0},
        relay={"kills": 1, "lost": 0, "duplicated_effects": 0},
        reconciliation=dict.fromkeys(VERDICTS, 0),
        steps={"search": StepCounts(stage="live", shadow=5, new=20, compared_new=20)},
        planted={"of": 4, "found": 4},
    )


def test_all_as_it_must_be() -> None:
    assert unexpected(flawless()) == []
    assert flawless().to_json()["as_expected"] is True


@pytest.mark.parametrize(
    ("room", "name"),
    [
        ("orders", "lost"),
        ("orders", "duplicated"),
        *(("new_path", name) for name in ("payments_without_order", "duplicate_orders")),
        ("choreography", "stuck"),
        ("choreography", "contradiction"),
        ("relay", "lost"),
        ("relay", "duplicated_effects"),
        *(("reconciliation", name) for name in VERDICTS),
    ],
)
def test_one_loss_or_double_is_enough(room: str, name: str) -> None:
    report = flawless()
    getattr(report, room)[name] = 1

    assert unexpected(report) == [f"{room}.{name} is 1, not 0"]


@pytest.mark.parametrize("room", ["orders", "new_path", "choreography", "relay", "reconciliation"])
def test_what_was_not_counted_is_not_fine(room: str) -> None:
    report = flawless()
    getattr(report, room).clear()

    assert unexpected(report) != []


@pytest.mark.parametrize("planted", [{}, {"of": 0, "found": 0}, {"of": 4, "found": 3}])
def test_a_fault_that_was_not_found_or_not_planted(planted: dict[str, int]) -> None:
    report = flawless()
    report.planted = dict(planted)

    assert unexpected(report) == [f"planted faults found: {planted.get('found')} of {planted.get('of')}"]


@pytest.mark.parametrize("owner", ["shadow", "new", "compared_new"])
def test_a_stage_that_no_order_saw(owner: str) -> None:
    report = flawless()
    setattr(report.steps["search"], owner, 0)

    assert unexpected(report) == [f"steps.search.{owner} is 0"]


def test_a_single_time_out_of_the_new_path() -> None:
    report = flawless()
    report.new_path["timeouts"] = 1

    assert unexpected(report) == ["new_path.timeouts is 1, not 0"]


def test_a_disease_that_was_not_shown() -> None:
    report = flawless()
    report.legacy_disease["timeouts"] = 0

    assert unexpected(report) == ["legacy_disease.timeouts is 0: there was nothing to cure"]


def test_a_peak_that_admission_did_not_bend() -> None:
    report = flawless()
    report.peak["with"]["classes"]["checkout"]["good"] = 1
    report.peak["with"]["lost"] = 1
    assert unexpected(report) == [
        "peak.with.lost is 1, not 0",
        "peak: checkout was answered in time no more often with admission than without",
    ]
    report.peak.clear()
    assert unexpected(report) == ["peak: nobody came"]


@pytest.mark.parametrize("stage", ["legacy", "ramp"])
def test_a_step_that_did_not_arrive(stage: str) -> None:
    report = flawless()
    report.steps["search"].stage = stage

    assert unexpected(report) == [f"steps.search.stage is {stage}, not live"]


def test_the_narrator_numbers_acts_and_hides_progress_from_files() -> None:
    out = io.StringIO()
    narrator = Narrator(out, clock=iter([0.0, 1.5, 2.0]).__next__)

    narrator.act("First")
    narrator.say("something")
    narrator.progress("unseen")

    assert out.getvalue() == "\n1. First\n     1.5 s  something\n"
