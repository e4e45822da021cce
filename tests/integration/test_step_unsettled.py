"""A vendor without keys or look-up is asked at most once; what nobody knows then waits for an operator."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from legacy_app.plan import plan as plan_module
from outbox.event import Event
from strangler import Answer, Call, SmtpVendor, Vendor
from strangler.cli import main as strangler
from strangler.step.apply import write_nothing
from strangler.step.effects import EffectSender, SenderSettings
from strangler.step.handler import StepHandler
from strangler.step.intents import Intent, Json
from strangler.step.vendor import AnswerKind
from tests.integration.contexts import connect, rows
from tests.support.orders import placed, received
from tests.support.running import in_thread
from tests.support.smtp_server import SmtpServer, smtp_server
from tests.support.waiting import wait_until

FAST = SenderSettings(concurrency=2, poll_s=0.02, backoff_base_s=0.005, backoff_cap_s=0.02)
KEY = "a:notification:200"
EFFECT = "SELECT state, attempts, next_attempt_at = 'infinity' FROM notification.effect"
TOLD = "SELECT type FROM outbox.readable WHERE aggregatetype = 'notification'"
EXPIRE_LEASE = "UPDATE effect SET next_attempt_at = now() WHERE state = 'sent'"


class Once:
    """A vendor that knows no keys: it answers as it is told, DONE at the end, and counts."""

    timeout_s, key_lifetime_s = 5.0, 0.0

    def __init__(self, *answers: AnswerKind) -> None:
        self.answers, self.sent = list(answers), Counter[str]()

    def send(self, key: str, _operation: str, _body: Mapping[str, Json]) -> Answer:
        self.sent[key] += 1
        return Answer(self.answers.pop(0) if self.answers else AnswerKind.DONE, {"status": 1})

    def look_up(self, _key: str, _operation: str) -> Answer:
        return Answer(AnswerKind.UNSETTLED)


def mailing(to: str) -> StepHandler:
    def decide(_event: Event) -> Sequence[Intent]:
        return [Call("mail", "send", {"to": to, "subject": "s", "text": "t"})]

    return StepHandler("notification", decide, write_nothing)


def plan(dsn: str, to: str = "ann@a.test") -> None:
    with connect(dsn, "notification") as connection:
        mailing(to)(connection, received([placed("a", "notification=new")]))


def sender(dsn: str, vendor: Vendor) -> EffectSender:
    return EffectSender(
        connect=lambda: connect(dsn, "notification"),
        step="notification",
        vendors={"mail": vendor},
        settings=FAST,
        rng=random.Random(5),
    )


@contextmanager
def sending(dsn: str, vendor: Vendor) -> Iterator[None]:
    running = sender(dsn, vendor)
    with in_thread(running.run, running.stop):
        yield


def becomes(dsn: str, *state: object) -> None:
    wait_until(lambda: rows(dsn, EFFECT) == [state], lambda: rows(dsn, EFFECT))


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[SmtpServer]:
    with smtp_server(tmp_path / "smtp") as running:
        yield running


def verb(dsn: str, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    capsys.readouterr()
    code = strangler(["--dsn", dsn, "--plan", str(plan_module.__file__), "effects", *argv])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_what_was_not_sent_is_asked_again_as_if_for_the_first_time(database: str) -> None:
    vendor = Once(AnswerKind.NOT_SENT, AnswerKind.NOT_SENT)
    plan(database)
    with sending(database, vendor):
        becomes(database, "done", 3, False)
    assert vendor.sent == {KEY: 3}


@pytest.mark.parametrize("answer", [AnswerKind.UNKNOWN, AnswerKind.UNSETTLED])
def test_an_effect_of_unknown_outcome_is_asked_for_once(database: str, answer: AnswerKind) -> None:
    vendor = Once(answer)
    plan(database)
    with sending(database, vendor):
        becomes(database, "unknown", 1 if answer is AnswerKind.UNSETTLED else 2, True)
    with sending(database, vendor):
        plan_another_and_wait(database)
    assert vendor.sent == {KEY: 1, "b:notification:200": 1}


def plan_another_and_wait(dsn: str) -> None:
    """Until the sender has looked, and taken what it may."""
    with connect(dsn, "notification") as connection:
        mailing("b@a.test")(connection, received([placed("b", "notification=new")]))
    wait_until(lambda: rows(dsn, "SELECT count(*) FROM notification.effect WHERE state = 'done'") == [(1,)])


@pytest.mark.parametrize("point", ["effect.sent", "effect.called"])
def test_a_mail_whose_sender_was_killed_is_never_sent_again(database: str, mail_server: SmtpServer, point: str) -> None:
    plan(database)
    url = f"smtp://{mail_server.address}"
    environ = {**os.environ, "STRANGLER_DSN": database, "SMTP_URL": url, "OUTBOX_STOP_AT": point}
    argv = [sys.executable, "-m", "tests.integration.effect_process"]
    with subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        killer = threading.Timer(60, process.kill)
        killer.start()
        assert any(line == f"stopped_at {point}\n" for line in process.stderr)
        killer.cancel()
        process.kill()
    with connect(database, "notification") as connection:
        connection.execute(EXPIRE_LEASE)
    with sending(database, SmtpVendor("U", sender="s@a.test").at({"U": f"smtp://{mail_server.address}"})):
        becomes(database, "unknown", 2, True)
    assert len(mail_server.mails) == (1 if point == "effect.called" else 0)


def test_a_mail_without_an_answer_waits_for_an_operator_and_one_that_was_refused_is_told(
    database: str, mail_server: SmtpServer
) -> None:
    vendor = SmtpVendor("U", sender="s@a.test").at({"U": f"smtp://{mail_server.address}"})
    plan(database, "hang-up@a.test")
    with sending(database, vendor):
        becomes(database, "unknown", 1, True)
    assert len(mail_server.mails) == 1
    assert rows(database, TOLD) == []


@pytest.mark.parametrize(("settled", "state"), [("done", "done"), ("refused", "refused"), ("again", "done")])
def test_an_operator_lists_and_settles(
    database: str, capsys: pytest.CaptureFixture[str], settled: str, state: str
) -> None:
    vendor = Once(AnswerKind.UNSETTLED)
    plan(database)
    with sending(database, vendor):
        becomes(database, "unknown", 1, True)
    code, said = verb(database, capsys, "list", "notification", "--json")
    (found,) = json.loads(said)["effects"]
    assert (code, found["key"], found["vendor"], found["outcome"]) == (0, KEY, "mail", {"status": 1})

    flags = ["--keep", "mail_id=m-1"] if settled == "done" else []
    settle = [settled, "notification", KEY, "--reason", "the provider's log", "--actor", "ann", *flags]
    assert verb(database, capsys, *settle, "--dry-run") == (0, f"would be {settled}: {KEY}\n")
    becomes(database, "unknown", 1, True)
    assert verb(database, capsys, *settle) == (0, f"{settled}: {KEY}\n")
    with sending(database, vendor):
        becomes(database, state, 2 if settled == "again" else 1, settled != "again")
    assert rows(database, TOLD) == [("EffectDone" if state == "done" else "EffectRefused",)]
    assert vendor.sent == {KEY: 2 if settled == "again" else 1}
    if settled == "done":
        outcome = {"mail_id": "m-1", "settled_by": "ann", "reason": "the provider's log"}
        assert rows(database, "SELECT outcome FROM notification.effect") == [(outcome,)]

    if settled == "again":
        (outcome,) = rows(database, "SELECT outcome FROM notification.effect")[0]
        assert [(each["by"], each["reason"]) for each in outcome["sent_again"]] == [("ann", "the provider's log")]
        assert outcome["status"] == 1

    code, said = verb(database, capsys, *settle)
    assert (code, "no unsettled effect of key" in said) == (1, True)
    assert verb(database, capsys, "list", "notification") == (0, "no unsettled effect\n")


@pytest.mark.parametrize("between", [[AnswerKind.NOT_SENT, AnswerKind.UNSETTLED], [AnswerKind.UNKNOWN]])
def test_who_had_it_sent_again_and_why_stays_through_whatever_follows(
    database: str, capsys: pytest.CaptureFixture[str], between: list[AnswerKind]
) -> None:
    vendor = Once(AnswerKind.UNSETTLED, *between)
    plan(database)
    with sending(database, vendor):
        becomes(database, "unknown", 1, True)
    again = ["again", "notification", KEY, "--actor", "ann", "--reason"]
    assert verb(database, capsys, *again, "first")[0] == 0
    with sending(database, vendor):
        becomes(database, "unknown", 3, True)
    assert verb(database, capsys, *again, "second")[0] == 0
    with sending(database, vendor):
        becomes(database, "done", 4, False)
    (outcome,) = rows(database, "SELECT outcome FROM notification.effect")[0]
    assert [each["reason"] for each in outcome["sent_again"]] == ["first", "second"]


def test_what_a_vendor_said_is_named_name_by_name(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verb(database, capsys, "done", "notification", KEY, "--reason", "r", "--keep", "charge")
    assert (code, "--keep takes NAME=VALUE" in said) == (2, True)
