"""A short form of `python -m tests.faults records`, and the judge of it tested harder than the judged."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from outbox.consumer.partitions.standing import Standing, StandingCause
from strangler.local.stack import Stack
from tests.faults.record_case import CHUNKS, Case, Plant, case_of
from tests.faults.record_process import forks
from tests.faults.record_report import BARS, RecordReport
from tests.faults.record_sender import Placed
from tests.faults.record_sent import Record, Writer
from tests.faults.record_stops import Evidence, Said, Stop, death_is_named, lines_of, silent
from tests.faults.record_troubles import EXITS, SLOW
from tests.faults.record_truth import Effect, truth_of
from tests.faults.records import play, run_records

KEY = b"key"
STOP = Stop(partition=1, lane=3, head=70, now=100.0, stood_s=11.0)


def stream(*, aborted: frozenset[int] = frozenset(), repeated: int | None = None) -> list[Placed]:
    """Four events of one key; a repeat of one of them at the end."""
    writer = Writer(random.Random(1))
    records = [writer.valid(KEY, "Plain", b"{}") for _ in range(4)]
    if repeated is not None:
        records.append(records[repeated].again())
    return [Placed(0, offset, record, offset in aborted) for offset, record in enumerate(records)]


def rows(placed: Sequence[Placed], *offsets: int) -> list[Effect]:
    return [Effect(placed[offset].record.id, (0, offset)) for offset in offsets]


def test_a_stream_of_which_each_event_has_its_row_is_well() -> None:
    placed = stream(aborted=frozenset({2}), repeated=1)
    truth = truth_of(placed, rows(placed, 0, 1, 3), [])
    assert (truth.lost, truth.doubled, truth.inversions) == ([], [], [])
    assert truth.fates == {"event": 3, "repeat": 1}


@pytest.mark.parametrize(
    ("written", "discarded", "found"),
    [
        ([0, 1, 3], [], ("lost",)),
        ([0, 1, 3], [(0, 2)], ("lost",)),  # an event that could be handled must not end in quarantine
        ([0, 1, 2, 2, 3], [], ("doubled",)),
        ([0, 2, 1, 3], [], ("inversions",)),
        ([0, 1, 2, 3, 1], [], ("doubled",)),
        ([3, 1, 1, 0], [], ("lost", "doubled", "inversions")),
    ],
)
def test_what_is_lost_doubled_or_out_of_order_is_found(
    written: list[int], discarded: list[tuple[int, int]], found: tuple[str, ...]
) -> None:
    placed = stream()
    truth = truth_of(placed, rows(placed, *written), discarded)
    assert tuple(bar for bar in ("lost", "doubled", "inversions") if getattr(truth, bar)) == found


def test_a_repeat_that_acts_is_a_double_wherever_it_lies() -> None:
    placed = stream(repeated=0)
    truth = truth_of(placed, rows(placed, 0, 1, 2, 3, 4), [])
    assert [one.partition(" has ")[2] for one in truth.doubled] == ["2 rows"]


def test_what_was_aborted_or_never_sent_must_leave_nothing() -> None:
    placed = stream(aborted=frozenset({3}))
    assert truth_of(placed, rows(placed, 0, 1, 2, 3), []).doubled
    assert truth_of(placed, rows(placed, 0, 1, 2), [(0, 3)]).doubled
    assert truth_of(placed, [*rows(placed, 0, 1, 2), Effect(None, (0, 99))], []).doubled


def test_garbage_is_handled_once_or_parked() -> None:
    placed = [Placed(0, 0, Record(b"?", b"", ()), False)]
    assert truth_of(placed, [], []).lost
    assert not truth_of(placed, [], [(0, 0)]).lost
    assert not truth_of(placed, [Effect(None, (0, 0))], []).doubled
    assert truth_of(placed, [Effect(None, (0, 0))] * 2, []).doubled


def said(event: str, at: float = 99.0, **fields: object) -> Said:
    return Said(at, event, {"level": "warning", "partition": 1, **fields})


PLACE = "app.py:7"
RETRIED = said("run_retried", first_offset=70, delay_s=0.1, error="KeyError", place=PLACE)
BROKEN = said("source_broken", at=3.0, detail="it falls")


@pytest.mark.parametrize(
    ("lines", "counts", "who"),
    [
        ([RETRIED], {"consumer_retry": 1}, []),
        ([RETRIED], {}, ["metrics"]),
        ([RETRIED, RETRIED], {"consumer_retry": 1}, ["metrics"]),  # it counts less than the log says
        ([RETRIED], {"consumer_parked": 5}, ["metrics"]),
        ([], {"consumer_retry": 1}, ["the log"]),
        ([], {}, ["the log", "metrics"]),
        ([replace(RETRIED, at=80.0)], {"consumer_retry": 1}, ["the log"]),  # long ago: what has happened since?
        ([said("run_retried", first_offset=71, error="KeyError", place=PLACE)], {"consumer_retry": 1}, ["the log"]),
        ([said("run_retried", first_offset=70)], {"consumer_retry": 1}, ["the log"]),  # without a reason
        ([said("run_retried", first_offset=70, error="KeyError")], {"consumer_retry": 1}, ["the log"]),  # nor a place
        ([replace(RETRIED, fields={**RETRIED.fields, "partition": 0})], {"consumer_retry": 1}, ["the log"]),
        ([said("events_parked", first_offset=70)], {"consumer_parked": 1}, ["the log", "metrics"]),
        ([BROKEN], {"consumer_source_broken": 1}, []),
        ([BROKEN, said("consumer_assigned", at=4.0)], {"consumer_source_broken": 1}, ["the log"]),
        ([said("consumer_paused", at=1.0), said("consumer_resumed", at=2.0)], {"consumer_paused": 1}, ["the log"]),
        ([said("consumer_breaker", state="open")], {"consumer_breaker": 1}, []),
        (
            [said("consumer_breaker", at=1.0, state="open"), said("consumer_breaker", at=2.0, state="closed")],
            {"consumer_breaker": 2},
            ["the log"],
        ),
    ],
)
def test_a_stop_is_named_by_a_fresh_line_with_place_and_reason_and_by_its_metric(
    lines: list[Said], counts: Mapping[str, int], who: list[str]
) -> None:
    evidence = Evidence(lines, standing=[Standing(StandingCause.LANE_STANDS, 6.0, "order", 1, lane=3)])
    evidence.counts.update(counts)
    assert silent(STOP, evidence) == who


@pytest.mark.parametrize(
    ("standing", "tells"),
    [
        ([Standing(StandingCause.LANE_STANDS, 6.0, "order", 1, lane=3)], True),
        ([Standing(StandingCause.SOURCE_BROKEN, 6.0, "order", 1)], True),
        ([Standing(StandingCause.BREAKER_OPEN, 6.0)], True),
        ([Standing(StandingCause.LANE_STANDS, 6.0, "order", 1, lane=2)], False),
        ([Standing(StandingCause.LANE_STANDS, 6.0, "order", 0, lane=3)], False),
        ([], False),
    ],
)
def test_lag_tells_of_a_stop_by_its_lane_its_partition_or_the_group(standing: list[Standing], *, tells: bool) -> None:
    evidence = Evidence([RETRIED], standing=standing)
    evidence.counts.update({"consumer_retry": 1})
    assert silent(STOP, evidence) == ([] if tells else ["outbox lag"])


def test_a_process_that_ends_without_a_word_is_silent() -> None:
    assert death_is_named(1, "Traceback (most recent call last):\n...\nKeyError: 'sku'\n")
    assert not death_is_named(0, "Traceback (most recent call last):\n...\nSystemExit: 0\n")
    assert not death_is_named(1, '{"at": "2026-03-01T00:00:00+00:00", "level": "info", "event": "consumer_assigned"}')


def test_lines_that_are_no_json_are_no_events() -> None:
    line = '{"at": "2026-03-01T00:00:01.500+00:00", "event": "run_retried", "partition": 1}'
    (found,) = lines_of(f"stopped_at consumer.handled\n{line}\n")
    assert (found.event, found.at % 60, found.fields["partition"]) == ("run_retried", 1.5, 1)


def test_a_seed_is_the_same_each_time_and_brings_everything_about() -> None:
    cases = [case_of(seed) for seed in range(1, 61)]
    assert cases == [case_of(case.seed) for case in cases]
    assert {case.plant for case in cases} == {None, *Plant}
    assert {case.adds for case in cases} == {case.parallel for case in cases} == {case.flood for case in cases}
    assert len({case.move for case in cases}) == 5
    assert len({case.lacks for case in cases}) == 5
    assert len({case.point for case in cases}) == 5
    assert {len(case.chunks) for case in cases} == {CHUNKS}
    assert {chunk.ending for case in cases for chunk in case.chunks} == {"", "commit", "abort"}


def test_a_campaign_that_goes_on_adds_to_its_report(tmp_path: Path) -> None:
    begun = RecordReport(seeds=3, next_seed=4, longest_end_s=2.0, lost=["one"], interrupted=True)
    begun.named["run_retried"] += 1
    (tmp_path / "report.json").write_text(json.dumps(begun.to_json()))

    merged = RecordReport.read(tmp_path / "report.json")
    merged.add(RecordReport(seeds=2, next_seed=6, longest_end_s=1.0, planted=[{"seed": 5}]))

    assert (merged.seeds, merged.next_seed, merged.longest_end_s) == (5, 6, 2.0)
    assert (merged.named, merged.interrupted) == ({"run_retried": 1}, False)
    assert merged.problems() == ["1 lost"]


def is_short(case: Case) -> bool:
    """Nothing in it takes long by itself, or ends the process; the others are the campaign's."""
    troubles = {one.trouble.partition(":")[0] for chunk in case.chunks for one in chunk.records}
    return not (case.plant or case.adds or case.calm or case.flood or troubles & {SLOW.partition(":")[0], *EXITS})


@pytest.mark.alone
@pytest.mark.timeout(180)
def test_no_record_codec_error_or_answer_loses_doubles_reorders_or_silences(stack: Stack, tmp_path: Path) -> None:
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    sys.stdout.write(f"FAULTS_SEED={seed}\n")
    case = next(filter(is_short, map(case_of, range(seed, seed + 1_000))))

    report = run_records(stack, [case.seed], tmp_path / "records", RecordReport(), print)

    assert [problem for problem in report.problems() if "planted" not in problem and "stopped" not in problem] == []
    assert (report.seeds, report.ended > 0) == (1, True)


@pytest.mark.alone
@pytest.mark.timeout(180)
def test_a_loss_and_a_silence_that_were_planted_are_found_in_a_process(stack: Stack, tmp_path: Path) -> None:
    """The campaign plants every kind; here is one that the database tells of, and one that nobody tells of."""
    for seed, plant in enumerate((Plant.LOSS, Plant.SILENT_LOG), start=1):
        report = play(stack, forks(), tmp_path, case_of(seed, plant))
        assert [(one["what"], one["found"] > 0) for one in report.planted] == [(plant.name, True)]
        assert [bar for bar in BARS if getattr(report, bar)] == []
