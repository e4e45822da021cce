"""A read goes on when something was compared, nothing differs that the plan does not ignore, and nobody has failed."""

from __future__ import annotations

from typing import Any

import pytest

from strangler.errors import BadPlan
from strangler.reads.account import Counted, ReadAccount, account_of
from strangler.reads.declared import ReadRoute
from strangler.reads.read_evidence import ReadEvidence
from strangler.stages import Move, Stage
from tests.support.facade_plan import plan as facade_plan

PAGE: dict[str, Any] = {"name": "page", "target": "GET /pages/{ref}", "url": "PAGES_URL", "sticky": "subject"}
READ = ReadRoute(**PAGE, ignored=("$.made",))
TO_RAMP = Move("page", Stage.SHADOW, Stage.RAMP, 0, 500)
WIDER = Move("page", Stage.RAMP, Stage.RAMP, 500, 2_500)


def lacking(move: Move, **counted: Any) -> str:
    found = ReadEvidence(READ, ReadAccount("page", 3, **counted)).lacking(move)
    return "" if found is None else f"{found.reason} | {found.next_step}"


@pytest.mark.parametrize(
    ("move", "counted", "said"),
    [
        (TO_RAMP, {}, "nothing has been compared since"),
        (TO_RAMP, {"eligible": 9, "dropped": {"queue_full": 9}}, "nothing has been compared since"),
        (TO_RAMP, {"same": 1, "different": 1, "places": {"$.sum": 1}}, "answers differ: 1 $.sum"),
        (TO_RAMP, {"same": 1, "failed": {"too_slow": 2}}, "the other application failed 2 time(s)"),
        (WIDER, {"same": 1, "answered": 1, "fell_back": {"broke": 1}}, "the other application failed 1 time(s)"),
        (WIDER, {}, "nothing has been compared since"),
        (TO_RAMP, {"same": 1, "failed": {"unjudged": 2}, "noise": ("$.a",)}, "2 read(s) could not be judged"),
    ],
)
def test_what_is_lacking_is_said_with_what_to_type(move: Move, counted: dict[str, Any], said: str) -> None:
    assert said in lacking(move, **counted)
    assert "see `strangler reads page`" in lacking(move, **counted)
    assert "--anyway" in lacking(move, **counted)


@pytest.mark.parametrize(
    ("move", "counted"),
    [
        (TO_RAMP, {"same": 1}),
        (TO_RAMP, {"different": 1, "places": {"$.made.at": 1}}),
        (TO_RAMP, {"same": 1, "failed": {"legacy": 3}}),
        (WIDER, {"answered": 1}),
        (Move("page", Stage.LEGACY, Stage.SHADOW, 0, 0), {}),
        (Move("page", Stage.RAMP, Stage.SHADOW, 500, 0), {"places": {"$.sum": 1}}),
        (Move("page", Stage.RAMP, Stage.RAMP, 500, 100), {"places": {"$.sum": 1}}),
    ],
)
def test_nothing_is_lacking(move: Move, counted: dict[str, Any]) -> None:
    assert lacking(move, **counted) == ""


def test_the_account_comes_out_even() -> None:
    counted = [
        Counted("page", 3, "eligible", "", 10),
        Counted("page", 3, "same", "", 4),
        Counted("page", 3, "different", "", 1),
        Counted("page", 3, "dropped", "queue_full", 2),
        Counted("page", 3, "failed", "too_slow", 1),
        Counted("page", 3, "differs_at", "$.sum", 1),
        Counted("page", 3, "noise_at", "$.id", 2),
        Counted("page", 2, "same", "", 100),
        Counted("other", 3, "same", "", 100),
    ]
    account = account_of("page", 3, counted)
    assert (account.compared, account.held, account.candidate_failed) == (5, 2, 1)
    assert (account.places, account.noise) == ({"$.sum": 1}, ("$.id",))


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"name": "Page"}, "is no name for a stage"),
        ({"name": "payment"}, "has the name of a step"),
        ({"target": "POST /pages/{ref}"}, "only GET is a read"),
        ({"target": "GET pages"}, "has path 'pages'"),
        ({"target": "GET /-/pages/{ref}"}, "has path '/-/pages/{ref}'"),
        ({"target": "GET /{a}/{a}/{ref}"}, "names a placeholder twice"),
        ({"target": "GET /pages"}, "needs one of {ref} and {id}"),
        ({"sticky": "client"}, "has sticky='client'"),
        ({"sticky": "cookie:"}, "has sticky='cookie:'"),
        ({"url": "http://host"}, "name the environment variable"),
        ({"on_failure": "wait"}, "has on_failure='wait'"),
        ({"within_s": 31.0}, "give 30 s or less"),
        ({"ignored": ("made",)}, "ignores 'made'"),
        ({"headers": ("a b",)}, "compares the header 'a b'"),
    ],
)
def test_a_contradiction_is_refused_with_the_fix(terms: dict[str, Any], said: str) -> None:
    with pytest.raises(BadPlan, match="is refused") as refused:
        with_reads(ReadRoute(**{**PAGE, **terms}))
    assert said in str(refused.value)


def test_two_reads_of_one_name_are_refused() -> None:
    with pytest.raises(BadPlan, match="another read"):
        with_reads(READ, READ)


def with_reads(*reads: ReadRoute) -> None:
    type(facade_plan)(
        name="reads",
        subject=facade_plan.subject,
        steps=facade_plan.steps,
        routes=facade_plan.routes,
        reads=reads,
    )
