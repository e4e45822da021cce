"""A vendor's own account over HTTP: arrays and pages, keys of ours and others, limits, and what is no ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from strangler import HttpVendor
from strangler.errors import BadInput, DependencyDown
from strangler.facts import KIND, TARGET, DeclaredEvidence, Fact
from strangler.service import http_ledger
from strangler.service.evidence import evidence_of
from strangler.service.http_ledger import read_ledger
from strangler.service.vendors import Declared
from tests.support.http_stub import Seen, answer, http_stub

MAIL = HttpVendor("MAIL_URL", send="POST /messages", look_up="GET /messages/{key}", ledger="GET /messages")


def saying(pages: Mapping[str, Any]) -> Any:
    """Answers by target."""
    return lambda seen: answer(200, json.dumps(pages[seen.target]).encode())


def evidence(vendors: Mapping[str, Declared]) -> DeclaredEvidence:
    return evidence_of("mailing", ("Placed",), None, vendors)


def told(vendors: Mapping[str, Declared], pages: Mapping[str, Any]) -> list[Fact]:
    with http_stub(saying(pages)) as stub:
        reader = evidence(vendors).ledger
        assert reader is not None
        return list(reader({"MAIL_URL": stub.url}))


def mail(ref: str, number: int, text: str, **marks: str) -> Fact:
    return Fact(ref, number, number // 100, {"text": text, KIND: "call", **marks})


def test_an_array_is_read_with_the_body_apart_or_beside_the_key() -> None:
    page = [{"key": "a:mailing:100", "body": {"text": "hi"}, "at": 3}, {"key": "b:1:mailing:201", "text": "ho"}]

    assert told({"mail": MAIL}, {"/messages": page}) == [mail("a", 100, "hi"), mail("b:1", 201, "ho")]


def test_an_operation_with_a_name_is_the_target() -> None:
    page = [{"key": "a:mailing:100", "body": {"text": "hi"}, "answer": {"id": "m1"}}]
    [fact] = told({"mail": {"send": MAIL}}, {"/messages": page})

    assert (fact.fields[TARGET], fact.answer) == ("mail.send", {"id": "m1"})


def test_keys_of_another_step_or_of_nobody_are_left_out_unless_the_body_has_the_subject() -> None:
    page = [
        {"key": "a:billing:100", "text": "theirs"},
        {"key": None, "text": "nobody's"},
        {"key": "planted", "text": "hi", "booking": "a"},
    ]
    whose = HttpVendor(MAIL.url_env, MAIL.send, MAIL.look_up, ledger=MAIL.ledger, ledger_subject="booking")

    assert told({"mail": MAIL}, {"/messages": page}) == []
    assert [(fact.subject_ref, fact.number) for fact in told({"mail": whose}, {"/messages": page})] == [("a", 0)]


def test_what_another_step_asked_for_and_what_has_no_subject_is_left_out_though_the_body_could_say_it() -> None:
    page = [
        {"key": "a:billing:100", "booking": "a"},
        {"key": "planted", "booking": None},
        {"key": "17:x:9", "booking": "b"},
    ]
    whose = replace(MAIL, ledger_subject="booking")

    assert [(fact.subject_ref, fact.number) for fact in told({"mail": whose}, {"/messages": page})] == [("b", 0)]


def test_a_ledger_in_which_any_operation_has_a_key_of_its_own_has_no_numbers() -> None:
    page = [{"key": "a:mailing:100", "text": "hi"}]
    for mail_again in (MAIL, replace(MAIL, url_env="SAME_URL")):
        recall = replace(mail_again, key=str)
        with http_stub(saying({"/messages": page})) as stub:
            reader = evidence({"mail": {"send": MAIL, "recall": recall}}).ledger
            assert reader is not None
            found = list(reader({"MAIL_URL": stub.url, "SAME_URL": stub.url + "/"}))
        assert [(fact.subject_ref, fact.number) for fact in found] == [("a", 0)]


def test_pages_are_followed_until_there_is_no_more() -> None:
    pages = {
        "/messages": {"entries": [{"key": "a:mailing:100", "text": "1"}], "next": 7},
        "/messages?after=7": {"entries": [{"key": "a:mailing:200", "text": "2"}], "next": 9},
        "/messages?after=9": {"entries": [], "next": 9},
    }

    assert [fact.number for fact in told({"mail": MAIL}, pages)] == [100, 200]


def test_a_next_that_does_not_move_is_the_end() -> None:
    page = {"entries": [{"key": "a:mailing:100", "text": "1"}], "next": 7}

    assert len(told({"mail": MAIL}, {"/messages": page, "/messages?after=7": page})) == 2


def test_a_ledger_of_several_operations_is_read_once_and_names_none() -> None:
    seen: list[Seen] = []

    def reply(request: Seen) -> bytes:
        seen.append(request)
        return answer(200, b'[{"key": "a:mailing:100"}]')

    with http_stub(reply) as stub:
        reader = evidence({"mail": {"send": MAIL, "recall": MAIL}}).ledger
        assert reader is not None
        [fact] = reader({"MAIL_URL": stub.url})
    assert (len(seen), fact.fields) == (1, {KIND: "call"})


def test_a_vendor_that_does_not_tell_all_is_named_as_unseen() -> None:
    silent = HttpVendor("POST_URL", send="POST /letters", look_up="GET /letters/{key}")
    found = evidence({"mail": MAIL, "post": silent})

    assert found.vendors == frozenset({"mail"})
    assert found.blind == ("what post was really asked: its vendor has no ledger here",)
    assert evidence({"post": silent}).ledger is None


@pytest.mark.parametrize("said", [b"no json", b"7", b'{"items": []}', b"[3]"])
def test_what_is_no_ledger_is_refused_with_what_it_must_be(said: bytes) -> None:
    with (
        http_stub(lambda _: answer(200, said)) as stub,
        pytest.raises(DependencyDown, match="must be a JSON array of entries"),
    ):
        list(read_ledger(stub.url, "GET /messages"))


def test_a_vendor_that_does_not_answer_is_down() -> None:
    with http_stub(lambda _: answer(503, b"")) as stub, pytest.raises(DependencyDown, match="check the address"):
        list(read_ledger(stub.url, "GET /messages"))


def test_a_page_and_a_ledger_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_ledger, "MAX_PAGE_BYTES", 100)
    with (
        http_stub(lambda _: answer(200, b"[" + b" " * 100 + b"]")) as stub,
        pytest.raises(DependencyDown, match="page"),
    ):
        list(read_ledger(stub.url, "GET /messages"))
    monkeypatch.setattr(http_ledger, "MAX_PAGES", 3)
    numbers = iter(range(100))

    def endless(_: Seen) -> bytes:
        return answer(200, json.dumps({"entries": [{"key": "k"}], "next": next(numbers)}).encode())

    with http_stub(endless) as stub, pytest.raises(DependencyDown, match="has not ended"):
        list(read_ledger(stub.url, "GET /messages"))


def test_a_ledger_is_a_get() -> None:
    with pytest.raises(BadInput, match="write GET and the path"):
        HttpVendor("MAIL_URL", send="POST /m", look_up="GET /m/{key}", ledger="POST /messages")
