"""What the facade counts: a closed set of series, added up over its workers, also those that are gone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import pytest

from outbox.metrics import Counters
from strangler.facade import problem
from strangler.facade.exchange import NotSent, TooSlow
from strangler.facade.facade_catalogue import COUNTED, Bounded, Sent, label_values
from strangler.facade.measures import MOST_NAMED, SharedMeasures, claim_state
from strangler.facade.message import RequestOutcome, Response
from strangler.facade.problem import Problem
from strangler.facade.series import Series
from tests.support.logs import lines_of

ROUTE = "POST /orders"


def shared(workers: int = 2) -> SharedMeasures:
    return SharedMeasures([ROUTE], ["payment"], workers, {Bounded.THREADS: 8})


def in_a_worker(work: Callable[[], None]) -> None:
    """Forked, as the facade forks them; it ends without a word, as one that is killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_workers_are_added_up_and_a_dead_one_takes_no_count_along() -> None:
    measures = shared()

    def work() -> None:
        mine = measures.of_worker()
        mine.requested(ROUTE, Response(201, "", [], b""), 0.3)
        mine.pinned("epoch=3, payment=new")
        mine.use(Bounded.THREADS, 1)

    for _ in range(9):  # more than there are rows: each takes over a dead one's
        in_a_worker(work)
    lines = measures.page().splitlines()
    assert f'facade_requests_total{{context="facade",route="{ROUTE}",outcome="answered",status="2xx"}} 9' in lines
    assert f'facade_request_seconds_count{{context="facade",route="{ROUTE}",outcome="answered"}} 9' in lines
    assert 'facade_pinned_total{context="facade",step="payment",owner="new"} 9' in lines
    assert 'facade_in_use{context="facade",what="threads"} 1' in lines  # of the last one, until the next
    assert 'facade_limit{context="facade",what="threads"} 16' in lines  # of two workers, however many there have been


def test_more_workers_than_rows_do_not_fail(caplog: pytest.LogCaptureFixture) -> None:
    measures = shared(workers=1)
    with caplog.at_level(logging.ERROR):
        ends = os.pipe()
        held = [measures]

        def work(left: int = 9) -> None:
            mine = held[0].of_worker()
            mine.use(Bounded.THREADS, 1)
            if left:
                in_a_worker(lambda: work(left - 1))
            else:
                os.write(ends[1], measures.page().encode())

        in_a_worker(work)
    assert 'facade_in_use{context="facade",what="threads"} 6' in os.read(ends[0], 100_000).decode().splitlines()


def test_each_series_has_a_place_of_its_own() -> None:
    values = label_values([ROUTE, ROUTE], ["payment", "payment"], ["browse"], ["mail"], ["peak"], reads=["page"])
    series = Series(COUNTED, values)
    places = sorted(series.places.values())
    assert len(set(places)) == len(places) == len(series.places)
    counters = Counters({"context": "facade"}, COUNTED)
    series.fill(counters, [1.0] * series.width)
    page = counters.page().splitlines()
    names = [line.rpartition(" ")[0] for line in page if not line.startswith("#")]
    assert len(set(names)) == len(names)
    assert {one.shown for one in COUNTED} == {line.split()[2] for line in page if line.startswith("# TYPE")}


def test_what_the_catalogue_does_not_know_is_named_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    measures = shared()
    before = measures.page()
    mine = measures.of_worker()
    for path in ("/a", "/b", "/a"):
        mine.requested(f"GET {path}", Response(200, "", [], b""), 0.1)
    assert measures.page() == before
    named = [vars(record)["metric"] for record in lines_of(caplog, "strangler.facade")]
    assert named == [
        f"{metric} GET {path} {labels}"
        for path in ("/a", "/b")
        for metric, labels in (("facade_requests", "answered 2xx"), ("facade_request_seconds", "answered"))
    ]
    for number in range(MOST_NAMED):
        mine.claimed(f"GET /{number}", Response(200, "", [], b""))
    assert len(lines_of(caplog, "strangler.facade")) == MOST_NAMED


def test_a_status_that_no_class_has_is_a_failure() -> None:
    measures = shared()
    measures.of_worker().requested(ROUTE, Response(799, "", [], b""), 0.1)
    assert f'facade_requests_total{{context="facade",route="{ROUTE}",outcome="answered",status="5xx"}} 1' in (
        measures.page().splitlines()
    )


def test_every_problem_is_a_cause() -> None:
    kinds = [one.kind for one in vars(problem).values() if isinstance(one, Problem)]
    assert sorted(problem.CAUSES) == sorted({*kinds, problem.request_refused("").kind})


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Response(500, "", [], b""), "won"),
        (Response(429, "", [], b"", RequestOutcome.NOT_TAKEN), "released"),
        (Response(201, "", [], b"", RequestOutcome.REPLAYED), "replayed"),
        (Response(201, "", [], b"", RequestOutcome.FOUND), "found"),
        (problem.IN_PROGRESS.to_answer(), "in_flight"),
        (problem.OUTCOME_UNKNOWN.to_answer(), "unknown"),
        (problem.UPSTREAM_SLOW.to_answer(), "unknown"),
        (problem.OTHER_REQUEST.to_answer(), "other_request"),
        (problem.CALLER_UNKNOWN.to_answer(), "other_caller"),
        (problem.DATABASE_DOWN.to_answer(), "not_stored"),
        (problem.UPSTREAM_DOWN.to_answer(), "released"),
    ],
)
def test_a_claims_state_is_told_by_its_answer(answer: Response, state: str) -> None:
    assert claim_state(answer) == state


def test_an_exchange_is_timed_by_what_came_of_it() -> None:
    measures = shared()
    mine = measures.of_worker()
    with mine.exchange({}):
        pass
    for error in (NotSent(), TooSlow(), ValueError()):
        with pytest.raises(type(error)), mine.exchange({NotSent: Sent.NOT_SENT, TooSlow: Sent.TOO_SLOW}):
            raise error
    counted = {line for line in measures.page().splitlines() if line.startswith("facade_upstream_seconds_count")}
    assert counted == {
        f'facade_upstream_seconds_count{{context="facade",sent="{sent}"}} 1'
        for sent in ("answered", "not_sent", "too_slow", "broke")
    }
