"""What follows a vendor's answer is done with the effect's end, exactly once, in the context of its event."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence

import pytest

from outbox.consumer.handler import Disposition
from outbox.event import Event
from outbox.structured import parse_dictionary
from strangler.ownership import Owner
from strangler.step.conclude import Conclude
from strangler.step.effect_table import Effect, Ending
from strangler.step.effects import EffectSender, SenderSettings
from strangler.step.handler import StepHandler
from strangler.step.intents import Call, Emit, Intent, Json, Write, to_json
from strangler.step.vendor import Answer, AnswerKind
from tests.integration.contexts import connect, rows
from tests.support.mail_server import MailServer, mail_server
from tests.support.orders import cancelled, placed, received
from tests.support.running import in_thread
from tests.support.services import SERVICES, vendors_at
from tests.support.waiting import wait_until

WRITE = SERVICES["search"].apply_writes

TOLD = "SELECT aggregateid, aggregate_version, type, payload, context FROM outbox.readable"
CONTEXT = {"ownership": "epoch=7, search=new", "epoch": 7, "tenant": "shop", "class": "order"}


@pytest.fixture
def vendor() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


def calling(event: Event) -> Sequence[Intent]:
    return [Call("mail", "send", {"n": 1}, carry={"note": f"of {event.aggregate_id}"})]


def concluding(effect: Effect, ending: Ending, outcome: Mapping[str, Json]) -> Sequence[Intent]:
    said = {"ending": ending.value, "status": outcome["status"], "note": effect.carry["note"]}
    return [Write("document", {"order_ref": effect.subject_ref, **said}), Emit("MailEnded", said)]


def sent(dsn: str, vendor: MailServer, conclude: Conclude) -> None:
    """Plan one call of order a, and send it to its end."""
    with connect(dsn, "search") as connection:
        StepHandler("search", calling, WRITE)(connection, received([placed("a", "search=new")]))
    sender = EffectSender(
        connect=lambda: connect(dsn, "search"),
        step="search",
        vendors=vendors_at(vendor.url, "notification", timeout_s=20),
        conclude=conclude,
        apply_writes=WRITE,
        settings=SenderSettings(concurrency=2, poll_s=0.02),
        rng=random.Random(5),
    )
    with in_thread(sender.run, sender.stop):
        ended = "SELECT count(*) FROM search.effect WHERE ended_at IS NOT NULL"
        wait_until(lambda: rows(dsn, ended) == [(1,)])


@pytest.mark.parametrize(("status", "ending"), [(202, "done"), (422, "refused")])
def test_rows_and_events_follow_an_answer_in_the_events_context(
    database: str, vendor: MailServer, status: int, ending: str
) -> None:
    vendor.answers = [status]
    sent(database, vendor, concluding)
    said = f'{{"ending":"{ending}","status":{status},"note":"of a"}}'
    [(*told, context)] = rows(database, TOLD)
    assert told == ["a", 1, "MailEnded", said]
    assert parse_dictionary(context) == CONTEXT
    assert rows(database, "SELECT order_ref, version, body ->> 'note' FROM search.document") == [("a", 2, "of a")]


def test_an_answer_that_cannot_be_concluded_leaves_its_effect_to_be_asked_again(
    database: str, vendor: MailServer
) -> None:
    tries = iter([[Emit("Bad", {"nul": "\0"})], [Emit("Good", {})]])
    with connect(database, "search") as connection:
        StepHandler("search", calling, WRITE)(connection, received([placed("a", "search=new")]))
    sender = EffectSender(
        connect=lambda: connect(database, "search"),
        step="search",
        vendors=vendors_at(vendor.url, "notification", timeout_s=20),
        conclude=lambda *_: next(tries),
        settings=SenderSettings(concurrency=1, poll_s=0.02),
    )
    asked_again = "UPDATE search.effect SET next_attempt_at = now() WHERE state = 'sent'"
    with in_thread(sender.run, sender.stop):
        wait_until(lambda: vendor.asked["a:search:200"] == 1)
        with connect(database, "search") as connection:
            wait_until(lambda: connection.execute(asked_again).rowcount == 1)
        wait_until(lambda: [type_ for _, _, type_, _, _ in rows(database, TOLD)] == ["Good"])
    assert rows(database, "SELECT state FROM search.effect") == [("done",)]


class Hanging:
    """A vendor whose first answer comes when it is let go."""

    timeout_s, key_lifetime_s = 5.0, 3600.0

    def __init__(self) -> None:
        self.asked, self.let_go, self.answered = 0, threading.Event(), threading.Event()

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:  # noqa: ARG002
        self.asked += 1
        if self.asked == 1:
            self.let_go.wait(30)
            self.answered.set()
        return Answer(AnswerKind.DONE, {"status": 202})

    def look_up(self, key: str, operation: str) -> Answer:  # noqa: ARG002
        return Answer(AnswerKind.ABSENT)


def test_of_two_answers_to_one_effect_only_the_first_is_concluded(database: str) -> None:
    vendor = Hanging()
    with connect(database, "search") as connection:
        StepHandler("search", calling, WRITE)(connection, received([placed("a", "search=new")]))
    sender = EffectSender(
        connect=lambda: connect(database, "search"),
        step="search",
        vendors={"mail": vendor},
        conclude=concluding,
        apply_writes=WRITE,
        settings=SenderSettings(concurrency=2, poll_s=0.02),
    )
    with in_thread(sender.run, sender.stop):
        wait_until(lambda: vendor.asked == 1)
        with connect(database, "search") as connection:  # as if its lease had run out
            connection.execute("UPDATE effect SET next_attempt_at = now()")
        wait_until(lambda: len(rows(database, TOLD)) == 1)
        vendor.let_go.set()
        assert vendor.answered.wait(30)
    assert len(rows(database, TOLD)) == 1


def test_what_is_carried_is_neither_compared_nor_sent() -> None:
    plain: list[Intent] = [Call("mail", "send", {"to": "a"}), Write("document", {"n": 1})]
    carrying: list[Intent] = [
        Call("mail", "send", {"to": "a"}, carry={"x": 1}),
        Write("document", {"n": 1}, carry={"x": 1}),
    ]
    assert to_json(carrying) == to_json(plain)


def test_an_event_that_says_nothing_to_the_step_leaves_no_trace(database: str) -> None:
    def concerns(event: Event, owner: Owner) -> bool:
        return event.type == "OrderPlaced" or owner is Owner.SHADOW

    handler = StepHandler("search", lambda _: [], WRITE, concerns=concerns)
    events = [placed("a", "search=new"), cancelled("a", "search=new"), cancelled("b", "search=shadow")]
    with connect(database, "search") as connection:
        became = handler(connection, received(events))
    assert became == [Disposition.APPLIED, Disposition.NOT_OWNER, Disposition.RECORDED]
    assert rows(database, "SELECT subject_ref, number FROM search.claim") == [("a", 200)]
