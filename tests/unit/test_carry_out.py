"""Carrying a request out, as a conversation: what it asks, one after the other, and what each answer leads to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import pytest

from strangler.facade.asks import (
    AppAnswer,
    Ask,
    Asks,
    ClaimKey,
    EndLease,
    Forward,
    FreeKey,
    KeepAnswer,
    LookUp,
    Pause,
    TakeOver,
)
from strangler.facade.carry_out import Attempt, carry_out
from strangler.facade.exchange import Broke, NotSent
from strangler.facade.idempotency import FirstAnswer, Held, RequestClaim, Stored
from strangler.facade.look_up import Places
from strangler.facade.message import Outgoing, RequestOutcome, Response, values
from strangler.facade.problem import DATABASE_DOWN
from strangler.facade.targets import Owned
from strangler.routes import Route

CLAIM = RequestClaim("anonymous", "k", b"same", "R", 30, 60)
UNREPEATED = replace(CLAIM, tenant="unrepeated", repeatable=False)
CREATES, COMMAND = Route("POST /orders", creates="order"), Route("POST /orders/{ref}/cancellations")
IDEMPOTENT = Route("POST /orders/{ref}/cancellations", idempotent=True)
PUT = Route("PUT /orders/{ref}")
PINNED, AGAIN = Held(CLAIM, "epoch=1", pinned_now=True, pinned=True), Held(CLAIM, "epoch=1", again=True)
STALE = Stored("k", b"same", "R", lease_over=True, answer=None)
OK, ORDER = AppAnswer(201, "Created", [], b"first"), AppAnswer(200, "OK", [], b"found")
ABSENT = AppAnswer(404, "Not Found", [], b"")
BUSY = AppAnswer(503, "Busy", [("X-Why", "lunch")], b"later")
BROKE = Broke("gone")
COUNTS: Literal["ours"] = "ours"  # the answer to KeepAnswer: what was to be kept


def conversation(route: Route, said: Sequence[object], claim: RequestClaim = CLAIM) -> tuple[Response, list[Ask]]:
    """What comes of these answers, in their order; all of them are asked for."""
    match = Owned(route, None if route.creates else "R", "/orders")
    attempt = Attempt(claim, Outgoing("POST", "/orders", []), match, Places("/{ref}", "/{ref}"), "Ref", "order")
    asked: list[Ask] = []
    answers = iter(said)

    def answer(ask: Ask) -> object:
        asked.append(ask)
        if isinstance(ask, EndLease | FreeKey | Pause):
            return None
        found = next(answers)
        return ask.answer if found is COUNTS and isinstance(ask, KeepAnswer) else found

    def whole() -> Asks[None]:
        responses.append((yield from carry_out(attempt)))

    responses: list[Response] = []
    asks, told = whole(), None
    with suppress(StopIteration):
        while True:
            told = answer(asks.send(told))
    assert list(answers) == []
    return responses[0], asked


def kinds(asked: Sequence[Ask]) -> list[type]:
    return [type(ask) for ask in asked]


def test_a_first_request_is_claimed_forwarded_with_its_owners_and_kept() -> None:
    response, asked = conversation(CREATES, [PINNED, OK, COUNTS])
    assert (response.status, response.body, response.outcome) == (201, b"first", RequestOutcome.ANSWERED)
    assert kinds(asked) == [ClaimKey, Forward, KeepAnswer]
    assert isinstance(asked[1], Forward)
    assert values(asked[1].sent.headers, "ref") == ["R"]
    assert values(asked[1].sent.headers, "strangler-ownership") == ["epoch=1"]


def test_without_a_database_nothing_is_forwarded() -> None:
    response, asked = conversation(CREATES, [DATABASE_DOWN])
    assert (response.cause, kinds(asked)) == ("database-down", [ClaimKey])


def test_an_abandoned_creation_that_the_application_does_not_have_is_forwarded_again_under_its_reference() -> None:
    response, asked = conversation(CREATES, [STALE, AGAIN, ABSENT, OK, COUNTS])
    assert (response.status, response.body) == (201, b"first")
    assert kinds(asked) == [ClaimKey, TakeOver, LookUp, Forward, KeepAnswer]
    assert isinstance(asked[3], Forward)
    assert values(asked[3].sent.headers, "ref") == ["R"]


def test_an_abandoned_creation_that_is_there_is_the_answer() -> None:
    response, asked = conversation(CREATES, [STALE, AGAIN, ORDER, COUNTS])
    assert (response.status, response.body, response.outcome) == (201, b"found", RequestOutcome.FOUND)
    assert kinds(asked) == [ClaimKey, TakeOver, LookUp, KeepAnswer]


@pytest.mark.parametrize("said", [BROKE, NotSent("down"), AppAnswer(500, "", [], b""), AppAnswer(403, "", [], b"")])
def test_a_creation_of_which_nobody_can_say_is_not_forwarded_again(said: object) -> None:
    response, asked = conversation(CREATES, [STALE, AGAIN, said])
    assert (response.cause, kinds(asked)) == ("outcome-unknown", [ClaimKey, TakeOver, LookUp, EndLease])


def test_of_several_that_come_for_an_abandoned_claim_one_goes_on() -> None:
    response, asked = conversation(CREATES, [STALE, None])
    assert (response.cause, kinds(asked)) == ("in-progress", [ClaimKey, TakeOver])


UNDER_WAY = replace(STALE, lease_over=False)
DONE = replace(UNDER_WAY, answer=FirstAnswer(201, "Created", [], b"first"))


def test_a_repeat_that_overtakes_the_storing_of_the_answer_waits_a_moment_for_it() -> None:
    response, asked = conversation(CREATES, [UNDER_WAY, UNDER_WAY, DONE])
    assert (response.status, response.body, response.outcome) == (201, b"first", RequestOutcome.REPLAYED)
    assert kinds(asked) == [ClaimKey, Pause, ClaimKey, Pause, ClaimKey]


def test_a_repeat_of_what_is_under_way_is_told_so_after_a_bounded_time() -> None:
    response, asked = conversation(CREATES, [UNDER_WAY] * 4)
    assert (response.cause, kinds(asked)) == ("in-progress", [ClaimKey, *[Pause, ClaimKey] * 3])
    assert sum(ask.seconds for ask in asked if isinstance(ask, Pause)) <= 0.5


def test_a_repeat_goes_on_by_itself_when_the_key_is_freed_meanwhile() -> None:
    response, asked = conversation(CREATES, [UNDER_WAY, PINNED, OK, COUNTS])
    assert (response.status, kinds(asked)) == (201, [ClaimKey, Pause, ClaimKey, Forward, KeepAnswer])


def test_only_while_nobody_else_can_end_the_claim_the_answer_is_not_waited_for() -> None:
    _, asked = conversation(CREATES, [replace(PINNED, sole_until=7.0), OK, COUNTS])
    assert asked[-1] == KeepAnswer(CLAIM, FirstAnswer(201, "Created", [], b"first"), sole_until=7.0)
    _, asked = conversation(CREATES, [STALE, AGAIN, ABSENT, OK, COUNTS])
    assert isinstance(asked[-1], KeepAnswer)
    assert asked[-1].sole_until == -math.inf


def test_what_an_earlier_attempt_made_meanwhile_is_the_answer_to_the_one_that_was_refused() -> None:
    """The application refuses a reference that it has."""
    response, asked = conversation(CREATES, [STALE, AGAIN, ABSENT, AppAnswer(500, "", [], b"unique"), ORDER, COUNTS])
    assert (response.status, response.body) == (201, b"found")
    assert kinds(asked)[3:] == [Forward, LookUp, KeepAnswer]


def test_a_second_attempt_is_over_before_a_third_may_begin() -> None:
    """It looks up, sends, and looks up again, each of which may take as long as the lease leaves."""
    taken = replace(AGAIN, by=7.0)
    _, asked = conversation(CREATES, [STALE, taken, ABSENT, AppAnswer(500, "", [], b"unique"), ORDER, COUNTS])
    assert [ask.by for ask in asked if isinstance(ask, Forward | LookUp)] == [7.0] * 3
    _, asked = conversation(CREATES, [replace(PINNED, pinned=False, by=8.0), ABSENT, OK, COUNTS])
    assert [ask.by for ask in asked if isinstance(ask, Forward | LookUp)] == [8.0] * 2


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_stands_in_for_an_answer_is_passed_on_and_the_claim_stays_open(status: int) -> None:
    said = AppAnswer(status, "Busy", [("X-Why", "lunch")], b"later")
    for route, asked_for in ((CREATES, [PINNED, said, ABSENT]), (COMMAND, [PINNED, said])):
        response, asked = conversation(route, asked_for)
        assert (response.status, response.headers, response.body) == (status, [("X-Why", "lunch")], b"later")
        assert response.outcome is RequestOutcome.UNKNOWN
        assert kinds(asked)[:3] == [ClaimKey, Forward, EndLease]


def test_what_was_made_before_a_gateway_failed_is_the_answer() -> None:
    response, _ = conversation(CREATES, [PINNED, BUSY, ORDER, COUNTS])
    assert (response.status, response.body, response.outcome) == (201, b"found", RequestOutcome.FOUND)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 415, 429])
def test_a_status_said_before_anything_is_done_frees_the_key(status: int) -> None:
    response, asked = conversation(COMMAND, [PINNED, AppAnswer(status, "", [], b"no")])
    assert (response.status, response.outcome) == (status, RequestOutcome.NOT_TAKEN)
    assert kinds(asked) == [ClaimKey, Forward, FreeKey]


@pytest.mark.parametrize("status", [409, 503])
def test_an_application_that_names_a_time_to_come_again_has_not_taken_it_on(status: int) -> None:
    response, asked = conversation(COMMAND, [PINNED, AppAnswer(status, "", [("Retry-After", "7")], b"")])
    assert (response.headers, kinds(asked)) == ([("Retry-After", "7")], [ClaimKey, Forward, FreeKey])


def test_the_plan_says_what_is_kept_and_what_is_released() -> None:
    kept, released = Route("POST /orders/{ref}/x", kept=(503, 404)), Route("POST /orders/{ref}/x", released=(500, 503))
    for status in (503, 404):
        assert kinds(conversation(kept, [PINNED, AppAnswer(status, "", [], b""), COUNTS])[1])[-1] is KeepAnswer
    for status in (503, 500):
        assert kinds(conversation(released, [PINNED, AppAnswer(status, "", [], b"")])[1])[-1] is FreeKey


def test_a_lost_command_is_told_as_lost_and_not_sent_again() -> None:
    first, _ = conversation(COMMAND, [PINNED, BROKE])
    assert (first.status, first.cause, first.outcome) == (502, "upstream-broke", RequestOutcome.UNKNOWN)
    again, asked = conversation(COMMAND, [STALE, AGAIN])
    assert (again.status, again.cause, again.outcome) == (409, "outcome-lost", RequestOutcome.UNKNOWN)
    assert kinds(asked) == [ClaimKey, TakeOver, EndLease]


@pytest.mark.parametrize("route", [IDEMPOTENT, PUT])
def test_a_lost_command_that_is_idempotent_is_sent_again(route: Route) -> None:
    first, _ = conversation(route, [PINNED, BROKE])
    assert first.cause == "outcome-unknown"
    again, asked = conversation(route, [STALE, AGAIN, OK, COUNTS])
    assert (again.status, kinds(asked)) == (201, [ClaimKey, TakeOver, Forward, KeepAnswer])


def test_a_command_that_an_operator_has_released_is_sent() -> None:
    stored = Stored("k", b"same", "R", lease_over=True, answer=None, released=True)
    response, asked = conversation(COMMAND, [stored, AGAIN, OK, COUNTS])
    assert (response.status, kinds(asked)) == (201, [ClaimKey, TakeOver, Forward, KeepAnswer])


@pytest.mark.parametrize("said", [NotSent("down"), AppAnswer(429, "", [], b"")])
def test_an_attempt_that_is_not_taken_on_leaves_the_claim_of_an_earlier_one(said: object) -> None:
    _, asked = conversation(IDEMPOTENT, [STALE, AGAIN, said])
    assert kinds(asked) == [ClaimKey, TakeOver, Forward, EndLease]


def test_a_key_that_made_something_before_it_expired_makes_nothing_else() -> None:
    known = Held(CLAIM, "epoch=1")
    response, asked = conversation(CREATES, [known, ORDER])
    assert (response.status, response.cause, response.outcome) == (422, "key-expired", RequestOutcome.REFUSED)
    assert kinds(asked) == [ClaimKey, LookUp, FreeKey]
    assert kinds(conversation(CREATES, [known, ABSENT, OK, COUNTS])[1]) == [ClaimKey, LookUp, Forward, KeepAnswer]
    assert conversation(CREATES, [known, BROKE])[0].cause == "outcome-unknown"


def test_the_first_answer_counts_even_when_another_attempt_gave_it() -> None:
    theirs = FirstAnswer(201, "Created", [], b"theirs")
    response, _ = conversation(CREATES, [PINNED, OK, theirs])
    assert (response.body, response.outcome) == (b"theirs", RequestOutcome.REPLAYED)


class Large:
    """An answer on its way."""

    uploading = False

    def ready(self) -> tuple[bytes, bool]:
        return b"first and more", True

    async def read(self) -> bytes:
        return b""

    def close(self) -> None:
        pass


def test_an_answer_too_large_to_keep_is_passed_on_then_looked_up_or_said_to_be_gone() -> None:
    rest = Large()
    large = AppAnswer(201, "Created", [], b"fi", rest)
    response, asked = conversation(CREATES, [PINNED, large, COUNTS])
    assert response.body is rest
    assert isinstance(asked[-1], KeepAnswer)
    assert asked[-1].answer.body is None
    kept = Stored("k", b"same", "R", lease_over=True, answer=FirstAnswer(201, "Created", [], None))
    assert conversation(CREATES, [kept, ORDER])[0].body == b"found"
    gone, _ = conversation(COMMAND, [kept])
    assert (gone.status, gone.cause, gone.outcome) == (410, "answer-gone", RequestOutcome.REPLAYED)


def test_a_request_that_nobody_can_repeat_gets_what_was_said() -> None:
    response, asked = conversation(CREATES, [replace(PINNED, claim=UNREPEATED), BUSY, COUNTS], claim=UNREPEATED)
    assert (response.body, kinds(asked)) == (b"later", [ClaimKey, Forward, KeepAnswer])
    assert (
        conversation(COMMAND, [replace(PINNED, claim=UNREPEATED), BROKE], claim=UNREPEATED)[0].cause == "upstream-broke"
    )
