"""What a handler answers is checked before anything commits, and what it may not do is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, InParallel, Poison
from outbox.consumer.handler import answering
from outbox.consumer.own_transaction import ending
from outbox.errors import ConfigurationError
from outbox.event import Event, ReceivedEvent

APPLIED = Disposition.APPLIED
ONE = ReceivedEvent(Event("order", "order-1", 1, "OrderPlaced", b"{}"), "order", 0, 0, None)
NOWHERE = cast("PsycopgConnection", None)


def answered(act: Callable[[], Any], how: str) -> object:
    if how == "handler":
        return answering(lambda _connection, _events: act())(NOWHERE, [ONE])
    return InParallel(lambda _one: act()).done(ONE)


STRANGE = [
    [None],
    ["applied"],
    [],
    [APPLIED, APPLIED],
    "a",
    b"a",
    1,
    True,
    ValueError,
    ValueError("no"),
    {APPLIED},
    {APPLIED: APPLIED},
    iter([APPLIED]),
    [ValueError],
    [Disposition],
    [[APPLIED]],
    [Disposition.PARKED],  # by whom?
    [Disposition.DEFERRED],
    [Disposition.SHED],
    [Disposition.EXPIRED],
]


@pytest.mark.parametrize("answer", STRANGE, ids=lambda one: type(one).__name__)
def test_a_strange_answer_is_refused(answer: object) -> None:
    with pytest.raises((TypeError, ValueError), match="the handler answered"):
        answered(lambda: answer, "handler")


@pytest.mark.parametrize("answer", [None, *STRANGE], ids=lambda one: type(one).__name__)
def test_a_strange_answer_of_work_is_refused(answer: object) -> None:
    with pytest.raises((TypeError, ValueError), match="answered"):
        answered(lambda: answer, "work")


@pytest.mark.parametrize("answer", [None, [APPLIED], (APPLIED,), [Disposition.DUPLICATE], [Disposition.NOT_OWNER]])
def test_what_a_handler_may_answer_is_taken(answer: object) -> None:
    assert answered(lambda: answer, "handler") == list(cast("list[Disposition]", answer) or [APPLIED])


def test_a_generator_is_no_answer_and_does_nothing() -> None:
    def handler(_connection: PsycopgConnection, events: Any) -> Any:
        for _ in events:
            yield APPLIED

    with pytest.raises(TypeError, match="the handler answered with generator"):
        answering(handler)(NOWHERE, [ONE])


@pytest.mark.parametrize("how", ["handler", "work"])
def test_what_would_take_back_a_transaction_without_a_word_is_an_error(how: str) -> None:
    def act() -> None:
        raise psycopg.Rollback

    with pytest.raises(psycopg.ProgrammingError, match="Rollback is not the handler's"):
        answered(act, how)


@pytest.mark.parametrize("index", [-1, 1, 7])
def test_poison_of_another_batch_condemns_nothing(index: int) -> None:
    def handler(*_: object) -> None:
        raise Poison(index, "no such customer")

    with pytest.raises(IndexError, match="another batch"):
        answering(handler)(NOWHERE, [ONE])


@pytest.mark.parametrize("make", ["handler", "work"])
def test_what_is_awaited_or_cannot_be_called_is_refused_at_the_start(make: str) -> None:
    async def awaited(*_: object) -> None: ...

    class Awaited:
        async def __call__(self, *_: object) -> None: ...

    for strange in (awaited, Awaited(), "handler", None):
        with pytest.raises(ConfigurationError, match=make):
            answering(strange) if make == "handler" else InParallel(strange)  # type: ignore[arg-type] # the point


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("commit", "COMMIT"),
        (" /* done */ COMMIT AND CHAIN", "COMMIT"),
        ("-- done\nEND;", "END"),
        ("SELECT 1; ABORT", "ABORT"),
        ("ROLLBACK WORK", "ROLLBACK"),
        ("PREPARE TRANSACTION 'a'", "PREPARE TRANSACTION"),
        ("ROLLBACK TO a", None),
        ("rollback work to savepoint a", None),
        ("PREPARE TRANSACTIONS AS SELECT 1", None),
        ("SELECT CASE WHEN a THEN 1 END; SELECT 2", None),
        ("DO $body$ BEGIN PERFORM 1; END $body$", None),
        ("INSERT INTO said VALUES (E'it\\'s; COMMIT; ')", None),
        ("SELECT '; COMMIT; ', \"; END\"", None),
    ],
)
def test_what_ends_a_transaction_is_seen_in_a_statement(statement: str, word: str | None) -> None:
    assert ending(statement) == word
