"""Keys, the orders minted from them, and what a repeated key means."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facade import problem
from strangler.facade.idempotency import (
    FirstAnswer,
    Repeat,
    Stored,
    Word,
    creation_status,
    fingerprint_of,
    judge,
    mint_ref,
    parse_key,
    word_of,
)
from strangler.facade.message import Headers
from strangler.facade.problem import Problem, RequestEffect
from strangler.routes import Route

ANSWER = FirstAnswer(201, "Created", (), b"{}")
keys = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255)


@given(keys, keys)
def test_a_key_mints_one_order_and_another_key_another(key: str, other: str) -> None:
    ref = uuid.UUID(mint_ref("shop", key))
    assert (ref.version, ref.variant) == (8, uuid.RFC_4122)
    assert (mint_ref("shop", other) == str(ref)) == (other == key)
    assert mint_ref("shop2", key) != str(ref)


def test_the_minted_reference_does_not_change_between_releases() -> None:
    """Orders are found again by it, so this value is a contract."""
    assert mint_ref("shop", "client-1") == "e40ad2fb-8fa0-84d0-848d-4c145bdc6862"


def test_tenant_and_key_are_kept_apart() -> None:
    assert mint_ref("a", "bc") != mint_ref("ab", "c")


@given(keys)
def test_a_quoted_key_is_read_back(key: str) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert parse_key([quoted]) == key


@pytest.mark.parametrize(("text", "key"), [("abc", "abc"), (" a b ", "a b"), ('"abc"', "abc"), ("a", "a")])
def test_a_bare_key_is_the_same_key(text: str, key: str) -> None:
    assert parse_key([text]) == key


@pytest.mark.parametrize(
    "values",
    [[], ["a", "b"], ["a", "a"], [""], ['""'], ['"a'], ['"a"b'], ["caf\xe9"], ["a\tb"], ["k" * 256], ['"\\x"']],
)
def test_what_is_no_single_key_is_none(values: list[str]) -> None:
    assert parse_key(values) is None


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_another_body_has_another_fingerprint(body: bytes, other: bytes) -> None:
    assert (fingerprint_of("POST", "/o", body) == fingerprint_of("POST", "/o", other)) == (body == other)
    assert fingerprint_of("POST", "/o?", body) != fingerprint_of("POST", "/o", body)


@pytest.mark.parametrize("lease_over", [True, False])
@pytest.mark.parametrize("answer", [ANSWER, None])
def test_another_request_is_refused_whatever_became_of_the_first(lease_over: bool, answer: FirstAnswer | None) -> None:
    assert judge(Stored("k", b"a", "o", lease_over, answer), b"b") is Repeat.OTHER_REQUEST


def test_a_caller_that_may_be_another_one_gets_no_answer_whatever_became_of_the_first() -> None:
    for lease_over, answer in ((True, ANSWER), (True, None), (False, None)):
        assert judge(Stored("k", b"a", "o", lease_over, answer, same_caller=False), b"a") is Repeat.CALLER_UNKNOWN


def test_the_first_answer_is_given_again_and_an_abandoned_claim_is_stale() -> None:
    assert judge(Stored("k", b"a", "o", lease_over=True, answer=ANSWER), b"a") is ANSWER
    assert judge(Stored("k", b"a", "o", lease_over=True, answer=None), b"a") is Repeat.STALE
    assert judge(Stored("k", b"a", "o", lease_over=False, answer=None), b"a") is Repeat.IN_PROGRESS


ROUTE = Route("POST /orders/{ref}/x")
LATER = [("Retry-After", "1")]


@pytest.mark.parametrize(
    ("status", "headers", "route", "word"),
    [
        *((status, [], ROUTE, Word.FINAL) for status in (200, 201, 302, 400, 402, 409, 410, 422, 500, 501)),
        *((status, [], ROUTE, Word.NOT_TAKEN) for status in (401, 403, 404, 405, 408, 413, 415, 425, 429)),
        *((status, [], ROUTE, Word.NONE) for status in (502, 503, 504)),
        (409, LATER, ROUTE, Word.NOT_TAKEN),
        (503, LATER, ROUTE, Word.NOT_TAKEN),
        (502, LATER, ROUTE, Word.NONE),
        (422, LATER, ROUTE, Word.FINAL),
        (409, [("Content-Type", "text/plain")], ROUTE, Word.FINAL),
        (503, LATER, Route("POST /orders/{ref}/x", kept=(503,)), Word.FINAL),
        (404, [], Route("POST /orders/{ref}/x", kept=(404,)), Word.FINAL),
        (502, [], Route("POST /orders/{ref}/x", released=(502,)), Word.NOT_TAKEN),
    ],
)
def test_what_a_status_says_of_its_key(status: int, headers: Headers, route: Route, word: Word) -> None:
    assert word_of(status, headers, route) is word


@pytest.mark.parametrize(
    ("said", "status"),
    [([], 201), (["201"], 201), (["202"], 202), (["409"], 409), (["200"], None), (["500"], None), (["4x"], None)],
)
def test_looking_at_an_order_may_say_what_creating_it_is_answered(said: list[str], status: int | None) -> None:
    assert creation_status(said) == status


PROBLEMS = [value for value in vars(problem).values() if isinstance(value, Problem)]


@pytest.mark.parametrize("given_problem", PROBLEMS, ids=lambda value: value.kind)
def test_a_problem_says_what_happened_and_whether_anything_was_done(given_problem: Problem) -> None:
    answer = given_problem.to_answer()
    assert isinstance(answer.body, bytes)
    members = json.loads(answer.body)
    fields = dict(answer.headers)
    assert members["status"] == answer.status == HTTPStatus(answer.status)
    assert members["effect"] in set(RequestEffect)
    assert members["type"] == f"urn:problem-type:strangler:{given_problem.kind}"
    assert (fields["Content-Type"], fields["Content-Length"]) == ("application/problem+json", str(len(answer.body)))
    says_when = answer.status == 503 or given_problem.kind == "in-progress"
    says_when &= given_problem.kind != "no-room"  # when there will be, its class knows, or nobody
    assert ("Retry-After" in fields) == says_when
    assert ("Strangler-Rejected" in fields) <= (members["effect"] == "none")


def test_what_the_facade_refuses_itself_says_the_class_of_the_work() -> None:
    assert ("Strangler-Rejected", "checkout") in problem.DATABASE_DOWN.to_answer("checkout").headers
    assert ("Strangler-Rejected", "other") in problem.UPSTREAM_DOWN.to_answer().headers
