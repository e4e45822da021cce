"""A vendor's book: one effect for each key, knobs that misbehave on request, a ledger that outlives its process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from legacy_app.vendors.answers import risk
from legacy_app.vendors.book import Book, Fate
from legacy_app.vendors.knobs import BadKnob, Knobs
from legacy_app.vendors.ledger import Ledger, OtherBody
from tests.support.clock import Clock

BODY = {"order_ref": "o1", "amount_minor": 5}


BookOf = Callable[..., Book]


@pytest.fixture
def book_of(tmp_path: Path) -> Iterator[BookOf]:
    """Makes one book by clock and knobs; its ledger is closed afterwards."""
    opened: list[Ledger] = []

    def make(clock: Clock, **knobs: Any) -> Book:
        opened.append(Ledger(tmp_path / "payments.jsonl", clock))
        book = Book(opened[-1], clock, clock.sleep)
        book.turn(knobs)
        return book

    yield make
    for ledger in opened:
        ledger.close()


def test_one_key_is_one_effect_however_often_it_is_asked_for(book_of: BookOf) -> None:
    book = book_of(Clock())

    answers = [book.serve("k", BODY).entry for _ in range(3)]

    assert {answer.seq for answer in answers if answer} == {1}
    assert [(entry.key, entry.requests) for entry in book.page(0, 10)] == [("k", 3)]


def test_a_card_that_is_declined_today_has_paid_what_its_key_bought_yesterday(book_of: BookOf) -> None:
    book = book_of(Clock())
    first = book.serve("k", BODY)

    book.turn({"decline_share": 1})

    again = book.serve("k", BODY)
    assert (again.fate, again.entry and again.entry.seq) == (Fate.FINE, first.entry and first.entry.seq)
    assert book.serve("other", BODY).fate is Fate.DECLINED


def test_a_key_is_forgotten_after_its_lifetime(book_of: BookOf) -> None:
    clock = Clock()
    book = book_of(clock, key_ttl_s=60)

    book.serve("k", BODY)
    clock.now += 61
    book.serve("k", BODY)

    assert [(entry.seq, entry.requests) for entry in book.page(0, 10)] == [(1, 1), (2, 1)]


def test_a_key_with_another_body_is_refused(book_of: BookOf) -> None:
    book = book_of(Clock())
    book.serve("k", BODY)

    with pytest.raises(OtherBody):
        book.serve("k", {**BODY, "amount_minor": 6})


@pytest.mark.parametrize(
    ("knob", "fate", "effects", "slept_s"),
    [
        ({"error_share": 1}, Fate.ERROR, 0, [0.02]),
        ({"hang_share": 1, "hang_ms": 9000}, Fate.HANG, 0, [0.02, 9.0]),
        ({"slow_share": 1, "slow_ms": 1500}, Fate.SLOW, 1, [1.52]),
        ({"effect_then_slow_share": 1, "effect_then_slow_ms": 3000}, Fate.EFFECT_THEN_SLOW, 1, [0.02, 3.0]),
        ({"effect_then_timeout": 1, "hang_ms": 9000}, Fate.EFFECT_THEN_TIMEOUT, 1, [0.02, 9.0]),
        ({"decline_share": 1}, Fate.DECLINED, 0, [0.02]),
    ],
)
def test_each_knob_misbehaves_in_its_way(
    book_of: BookOf, knob: dict[str, Any], fate: Fate, effects: int, slept_s: list[float]
) -> None:
    clock = Clock()
    book = book_of(clock, latency_ms=20, **knob)

    assert book.serve("k", BODY).fate is fate
    assert len(book.page(0, 10)) == effects
    assert clock.slept == slept_s


def test_what_was_given_back_while_a_request_waited_is_not_done(tmp_path: Path) -> None:
    clock, given_back = Clock(), set[str]()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        given_back.add("k")

    ledger = Ledger(tmp_path / "payments.jsonl", clock)
    book = Book(ledger, clock, sleep, knobs=Knobs(latency_ms=20), closed=lambda key: key in given_back)
    assert book.serve("k", BODY).fate is Fate.CLOSED
    assert book.page(0, 9) == []
    ledger.close()


def test_a_charge_that_was_given_back_is_neither_found_nor_asked_for_again(tmp_path: Path) -> None:
    given_back = set[str]()
    ledger = Ledger(tmp_path / "payments.jsonl", Clock())
    book = Book(ledger, Clock(), Clock().sleep, closed=lambda key: key in given_back)
    assert book.serve("k", BODY).entry == book.find("k")
    given_back.add("k")
    assert book.serve("k", BODY).fate is Fate.CLOSED
    assert book.find("k") is None
    assert [entry.requests for entry in book.page(0, 9)] == [1]
    assert book.done("k") is not None
    ledger.close()


def test_above_the_rate_limit_nothing_is_done(book_of: BookOf) -> None:
    clock = Clock()
    book = book_of(clock, rate_limit_per_s=1)

    fates = [book.serve(f"k{number}", BODY).fate for number in range(3)]
    clock.now += 1
    fates.append(book.serve("k9", BODY).fate)

    assert fates == [Fate.FINE, Fate.LIMITED, Fate.LIMITED, Fate.FINE]


def test_the_same_seed_draws_the_same_fates(book_of: BookOf) -> None:
    book = book_of(Clock(), error_share=0.5, seed=3)
    first = [book.serve(f"a{number}", BODY).fate for number in range(20)]
    book.turn({})

    assert [book.serve(f"b{number}", BODY).fate for number in range(20)] == first
    assert set(first) == {Fate.FINE, Fate.ERROR}


@pytest.mark.parametrize(
    "changes",
    [
        {"speed": 1},
        {"error_share": 1.5},
        {"error_share": 0.6, "slow_share": 0.6},
        {"latency_ms": -1},
        {"latency_ms": 0.5},
        {"latency_ms": True},
        {"error_share": "all"},
        {"error_share": float("nan")},
        {"key_ttl_s": float("inf")},
    ],
)
def test_a_knob_that_cannot_be_turned_so_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadKnob):
        Knobs().turned(changes)


def test_a_ledger_survives_its_process_and_a_torn_last_line(tmp_path: Path) -> None:
    path, clock = tmp_path / "mail.jsonl", Clock()
    ledger = Ledger(path, clock)
    ledger.accept("a", {"n": 1}, 60)
    ledger.accept("a", {"n": 1}, 60)
    ledger.accept("b", {"n": 2}, 60)
    ledger.forget("b")
    ledger.close()
    with path.open("a") as file:
        file.write('{"entry":{"seq":3,"key":"c"')

    again = Ledger(path, clock)
    again.accept("c", {"n": 3}, 60)
    again.close()

    last = Ledger(path, clock)
    assert [(entry.key, entry.body, entry.requests) for entry in last.page(0, 9)] == [
        ("a", {"n": 1}, 2),
        ("c", {"n": 3}, 1),
    ]
    last.close()


def test_pages_follow_each_other(book_of: BookOf) -> None:
    book = book_of(Clock())
    for number in range(5):
        book.serve(f"k{number}", BODY)

    assert [entry.seq for entry in book.page(0, 2)] == [1, 2]
    assert [entry.seq for entry in book.page(2, 2)] == [3, 4]
    assert [entry.seq for entry in book.page(4, 2)] == [5]
    assert book.page(5, 2) == []


def test_only_large_orders_can_be_too_risky() -> None:
    assert max(risk(f"c{number}", 4_999_999) for number in range(1_000)) < 90
    assert max(risk(f"c{number}", 5_000_000) for number in range(1_000)) >= 90
    assert risk("c1", 5) == risk("c1", 5)


def test_a_knob_turned_by_a_whole_number_can_be_turned_by_a_fraction_again() -> None:
    """JSON knows one kind of number: 20 and 20.0 must not differ in what follows."""
    assert Knobs().turned({"rate_limit_per_s": 20}).turned({"rate_limit_per_s": 0.5}).rate_limit_per_s == 0.5
    with pytest.raises(BadKnob, match="a whole number"):
        Knobs().turned({"latency_ms": 0.5})
