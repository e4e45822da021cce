"""A vendor that a function asks: what the function says of it, and what may be asked again."""

from __future__ import annotations

import pytest

from strangler import Answer, FunctionVendor
from strangler.errors import BadInput
from strangler.service import AnswerKind


def test_it_is_done_when_the_function_returns_and_otherwise_what_it_answers() -> None:
    told: list[tuple[object, ...]] = []
    silent = FunctionVendor(lambda *asked: told.append(asked))
    assert silent.send("k:1", "publish", {"to": "all"}) == Answer(AnswerKind.DONE)
    assert told == [("k:1", "publish", {"to": "all"})]

    busy = FunctionVendor(lambda *_: Answer(AnswerKind.NOT_SENT, {"reason": "no connection"}))
    assert busy.send("k:1", "publish", {}).kind is AnswerKind.NOT_SENT


def test_by_default_it_is_asked_once_and_nobody_can_look_it_up() -> None:
    vendor = FunctionVendor(lambda *_: None)
    assert (vendor.key_lifetime_s, vendor.timeout_s) == (0, 30)
    assert vendor.look_up("k:1", "publish").kind is AnswerKind.UNSETTLED


@pytest.mark.parametrize("terms", [{"timeout_s": 0}, {"key_lifetime_s": -1}, {"key_lifetime_s": "a day"}])
def test_terms_that_cannot_be_are_refused_where_they_are_said(terms: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=f"FunctionVendor.{next(iter(terms))}"):
        FunctionVendor(lambda *_: None, **terms)  # type: ignore[arg-type]  # that is the point


def test_an_answer_may_be_said_in_a_word_and_a_word_that_is_none_is_refused() -> None:
    assert Answer("done").kind is AnswerKind.DONE  # type: ignore[arg-type]  # as a program without types says it
    with pytest.raises(ValueError, match="'dnoe' is not a valid AnswerKind"):
        Answer("dnoe")  # type: ignore[arg-type]
