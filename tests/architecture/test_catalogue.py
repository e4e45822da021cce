"""Every metric is in the catalogue with its labels: all that reports is made to speak, and held against it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import get_args

import pytest

from outbox import telemetry
from outbox.catalogue import COUNTS, LAG, MEMBER, RELAY, SATURATION, SLOT, Described, Sample, table
from outbox.consumer import Metric
from outbox.consumer.gauges import of_member, saturated
from outbox.consumer.lag.figures import GroupLag, PartitionLag, TenantLag
from outbox.consumer.lag.gauges import LagGauges
from outbox.consumer.partitions.run import Assigned, LanePosition, Run
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.consumer.report import Report
from outbox.consumer.runtime import Busy, Saturation
from outbox.kafka.port import Record, TopicPartition
from outbox.metrics import Counters
from strangler.choreography.audit_metrics import WORKFLOW
from strangler.facade.facade_catalogue import FACADE
from strangler.reconcile.report_metrics import RECONCILIATION
from strangler.step.effect_catalogue import CATALOGUE, EFFECTS, MODES
from strangler.step.effect_gauges import samples
from strangler.step.effect_gauges import saturated as effects_saturated
from strangler.step.effect_metrics import MOST_SAID, EffectMetric, Told
from strangler.step.vendor import Answer, AnswerKind
from tests.support.exposition import sampled

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"
PLACE = TopicPartition("outbox.event.order", 0)
RUN = Run(
    Assigned(PLACE, "", 1, (LanePosition(0, 0, None),)),
    lane=0,
    records=(Record(*PLACE, 0, b"k", b"{}", [], 1),),
    next_offset=1,
    last=None,
    parked_keys=frozenset(),
    attempt=0,
    begun=0.0,
    worked={},
    given_up=None,  # type: ignore[arg-type] # nothing here asks
)
LAG_OF = GroupLag(
    group="totals",
    at=100.0,
    members=1,
    seen_s=0.5,
    partitions=(PartitionLag(*PLACE, 3, True, 9.0, 4.0, 1, 9.0, 7, 10, 2.0),),
    tenants=(TenantLag("shop", "card", 3, 4.0),),
    complete=True,
    standing=(
        Standing(StandingCause.LANE_STANDS, 6.0, *PLACE, lane=1, offset=7),
        Standing(StandingCause.LANE_STANDS, 9.0, *PLACE, lane=2, offset=8),
        Standing(StandingCause.LANE_STANDS, 8.0, *PLACE, lane=3, offset=9),
        Standing(StandingCause.BREAKER_OPEN, 5.0),
        Standing(StandingCause.BREAKER_OPEN, 7.0),
    ),
    left=(),
)


class Heard:
    """A measure that notes names and labels."""

    def __init__(self) -> None:
        self.labels: dict[str, set[frozenset[str]]] = {}
        self.counts: Counter[str] = Counter()
        self.sources: list[Callable[[], Iterable[Sample]]] = []

    def __call__(self, name: str, value: int, **labels: str) -> None:
        self.counts[name] += value
        self.labels.setdefault(name, set()).add(frozenset(labels))

    def time(self, name: str, seconds: Sequence[float], **labels: str) -> None:
        self(name, len(seconds), **labels)

    def source(self, read: Callable[[], Iterable[Sample]]) -> Callable[[], None]:
        self.sources.append(read)
        return lambda: self.sources.remove(read)


def test_the_enums_name_what_the_catalogue_counts() -> None:
    assert {one.name for one in COUNTS} == {*Metric}
    assert {one.name for one in EFFECTS if one.kind == "counter"} == {*EffectMetric}
    assert {one.shown for one in RELAY} == {*get_args(telemetry.Metric)}


PARTS = (LAG, MEMBER, COUNTS, EFFECTS, MODES, RELAY, FACADE, SLOT, SATURATION, RECONCILIATION, WORKFLOW)


@pytest.mark.parametrize("part", PARTS)
def test_the_page_is_the_catalogue(part: tuple[Described, ...]) -> None:
    assert table(part) in PAGE.read_text()


def test_names_are_told_once_and_units_stand_in_them() -> None:
    every = [one for part in PARTS for one in part]
    assert len({one.name for one in every}) == len(every)
    assert len({one.shown for one in every}) == len(every)
    assert not {label for one in every for label in one.labels} & {"context", "le"}, "the page adds those itself"
    assert all(one.name.endswith("_seconds") for one in every if one.kind == "histogram")


def test_a_member_speaks_by_the_catalogue() -> None:
    heard = Heard()
    report = Report(heard)
    with report.working(RUN), report.timed("consumer_apply_seconds", RUN):
        assert report.runs_at_work == 1
    assert (report.runs_at_work, heard.sources) == (0, [])  # what is no member yet has no gauges
    report.completed(RUN)
    report.retried(RUN, ValueError(), "transient", 0.1, stands=False)
    report.breaker("open")
    assert {"consumer_run_seconds", "consumer_completion_seconds", "consumer_retry"} <= heard.labels.keys()
    known = {one.name: set(one.labels) for one in CATALOGUE}
    assert {name: {frozenset(known[name])} for name in heard.labels} == heard.labels
    assert report.breaker_open_s() is not None


def test_what_a_member_holds_is_told_by_the_catalogue() -> None:
    other, elsewhere = PLACE._replace(partition=1), TopicPartition("outbox.event.payment", 0)
    busy = Busy(
        load={PLACE: (3, 300), other: (4, 400), elsewhere: (0, 0)},
        retrying=[(PLACE, 1, 7, 2, 6.0), (PLACE, 2, 8, 0, 9.0), (other, 1, 7, 3, 8.0)],
        workers=4,
        runs=2,
    )
    told = list(of_member(busy, "totals"))
    assert len(sampled(told)) == 2 + 2 * 4
    assert {one.name: {*one.labels} for one in told} == labels_of(one for one in MEMBER if one.kind == "gauge")
    values = {(one.name, one.labels.get("topic")): one.value for one in told}
    assert values["consumer_queue_records", PLACE.topic] == 7
    assert values["consumer_retrying_lanes", PLACE.topic] == 3
    assert values["consumer_retrying_seconds", PLACE.topic] == 9.0
    assert values["consumer_retrying_lanes", elsewhere.topic] == 0


def test_effects_that_wait_are_told_by_the_catalogue() -> None:
    rows = [("mail", "planned", 3, 9.0), ("mail", "sent", 1, 7.0), ("of_yesterday", "unknown", 1, 99.0)]
    told = list(samples(rows, frozenset({"mail", "bank"})))
    sampled(told)
    waiting = [one for one in EFFECTS if one.name.startswith("effect_waiting")]
    assert {one.name: {*one.labels} for one in told} == labels_of(waiting)
    oldest = {one.labels["vendor"]: one.value for one in told if one.name == "effect_waiting_seconds"}
    assert oldest == {"bank": 0.0, "mail": 9.0, "of_yesterday": 99.0}


def labels_of(metrics: Iterable[Described]) -> dict[str, set[str]]:
    return {one.name: {*one.labels} for one in metrics}


def test_effects_speak_by_the_catalogue() -> None:
    heard = Heard()
    told = Told("mail", heard)
    told.called("mail", 0.2)
    told.answered("mail", Answer(AnswerKind.DONE, {"status": 200}))
    told.put_off("mail", 3, "retry.budget_ratio")
    told.breaker("mail", opened=True)
    told.unsettled("mail")
    known = {one.name: {frozenset(one.labels)} for one in EFFECTS}
    assert heard.labels == {name: labels for name, labels in known.items() if name in heard.labels}
    assert heard.labels.keys() == {one.name for one in EFFECTS if one.kind != "gauge"}


def test_what_is_bounded_speaks_by_the_catalogue() -> None:
    found = Saturation({PLACE: (3, 8), TopicPartition(PLACE.topic, 1): (0, 8)}, 1, 4, 12.5)
    told = {one.name: one for one in saturated(found, "totals")}
    assert {name: tuple(one.labels) for name, one in told.items()} == {one.name: one.labels for one in SATURATION}
    assert [told[f"consumer_{name}"].value for name in ("lanes", "lanes_busy", "rate_limit")] == [16, 3, 12.5]


def test_an_effect_senders_gauges_are_the_catalogues() -> None:
    found = list(effects_saturated({"mail": (5.0, True), "post": (None, False)}, {"mail": 2}, 8))
    gauges = {one.name: one.labels for one in EFFECTS if one.kind == "gauge"}
    assert {one.name: tuple(one.labels) for one in found} == {
        name: labels for name, labels in gauges.items() if not name.startswith("effect_waiting")
    }
    told = {(one.name, one.labels.get("vendor")): one.value for one in found}
    assert (told["effect_rate_limit", "mail"], told["effect_rate_limit", "post"]) == (5.0, 0.0)
    assert (told["effect_breaker_open", "mail"], told["effect_calls_in_use", "post"]) == (1, 0)


def test_what_a_vendor_says_makes_no_series_without_end() -> None:
    counters = Counters({})
    told = Told("mail", counters)
    for number in range(200):
        told.answered("mail", Answer(AnswerKind.REFUSED, {"reason": f"order {number} is unknown"}))
    lines = [line for line in counters.page().splitlines() if line.startswith("effect_answered_total{")]
    assert len(lines) == MOST_SAID + 1
    assert 'effect_answered_total{vendor="mail",answer="refused",said="other"} 150' in lines


def test_lag_speaks_by_the_catalogue() -> None:
    told = list(LagGauges(lambda: LAG_OF)())
    assert {one.name: {*one.labels} for one in told} == labels_of(LAG)


def test_of_several_that_stand_for_one_cause_the_longest_is_told() -> None:
    told = [one for one in LagGauges(lambda: LAG_OF)() if one.name == "consumer_standing_seconds"]
    sampled(told)
    assert {(one.labels["partition"], one.labels["cause"]): round(one.value, 1) for one in told} == {
        ("0", "lane_stands"): 9.0,
        ("", "breaker_open"): 7.0,
    }


def test_a_scrape_waits_no_longer_than_a_look_may_take_and_the_lag_ages_meanwhile() -> None:
    now, hangs, go_on = [0.0], [False], threading.Event()

    def read() -> GroupLag:
        if hangs[0]:
            go_on.wait(30.0)
        return LAG_OF

    gauges = LagGauges(read, clock=lambda: now[0], look_s=0.05)
    list(gauges())
    hangs[0], now[0] = True, 30.0
    for _ in range(3):
        ages = [one.value for one in gauges() if one.name == "consumer_lag_read_age_seconds"]
        assert ages == [30.0]
    go_on.set()


def test_lag_that_cannot_be_read_ages_and_says_so() -> None:
    now, down = [0.0], [False]

    def read() -> GroupLag:
        if down[0]:
            raise ConnectionError
        return LAG_OF

    gauges = LagGauges(read, clock=lambda: now[0])

    def value(name: str, state: str = "waiting") -> float:
        found = {(one.name, one.labels.get("state", "waiting")): one.value for one in gauges()}
        return found[name, state]

    assert (value("consumer_lag_seconds"), value("consumer_lag_read_age_seconds")) == (4.0, 0.0)
    down[0], now[0] = True, 30.0
    assert (value("consumer_lag_seconds"), value("consumer_lag_read_age_seconds")) == (34.0, 30.0)
    assert value("consumer_lag_seconds", "parked") == 39.0
    down[0] = False
    assert value("consumer_lag_seconds") == 4.0
