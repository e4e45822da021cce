"""Reads that another application takes over: copied and compared off the client's path, ramped, and taken back."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from outbox.connection import PsycopgConnection
from strangler.cli import main
from strangler.local.process import Running
from strangler.ownership import bucket
from strangler.reads.table import read_stages_of_reads
from strangler.stages import Stage
from strangler.store import ensure_steps
from tests.integration.facade.client import ask, send
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.reads_rig import JSON, ReadsRig, says
from tests.support import facade_reads_plan
from tests.support.facade_reads_plan import plan
from tests.support.http_stub import HANG_UP, HttpStub, Seen, answer, http_stub
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka
PLAN = Path(facade_reads_plan.__file__)
PAGE = '{"ref": "%s", "total": 12.50, "lines": [{"sku": "A"}]}'


@pytest.fixture(scope="module")
def shared_candidate() -> Iterator[HttpStub]:
    with http_stub() as candidate:
        yield candidate


@pytest.fixture(scope="module")
def reads_facade(launch: StartFacade, shared_candidate: HttpStub) -> Running:
    return launch(plan=PLAN, more={"PAGES_URL": shared_candidate.url})


@pytest.fixture
def rig(
    reads_facade: Running, app: HttpStub, shared_candidate: HttpStub, connection: PsycopgConnection
) -> Iterator[ReadsRig]:
    """Everything is legacy's, and both say the same."""
    shared_candidate.forget()
    ensure_steps(connection, plan)
    rig = ReadsRig(reads_facade, app, shared_candidate, connection)
    for read in plan.reads:
        rig.back(read.name)
    app.reply = shared_candidate.reply = lambda seen: says(PAGE % seen.target.rpartition("/")[2])
    yield rig
    shared_candidate.release()


def of_pages(stub: HttpStub) -> list[Seen]:
    return [seen for seen in stub.seen if seen.target.startswith("/pages/")]


def test_a_copy_is_compared_and_the_client_gets_what_legacy_says(rig: ReadsRig) -> None:
    rig.candidate.reply = lambda _: says('{"lines":[{"sku":"A"}],"total":12.5,"made":2,"ref":"r1"}')
    before = rig.shadow("order_page", "/pages/r1")

    said = rig.get("/pages/r1", Authorization="Bearer s", Cookie="session=1", X_Account="ann", X_Other="kept")

    after = rig.settled("order_page", before.eligible + 1)
    assert said.json() == {"ref": "r1", "total": 12.5, "lines": [{"sku": "A"}]}
    assert (after.different, after.failed, after.same) == (0, {}, after.eligible)
    asked = of_pages(rig.candidate)[-1]
    assert asked.value("Strangler-Shadow") == "order_page"
    assert asked.value("X-Other") == "kept"
    assert [asked.value(name) for name in ("Authorization", "Cookie", "X-Account")] == [None, None, None]


def test_what_differs_is_named_without_what_it_says_and_holds_the_stage(
    rig: ReadsRig, dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.candidate.reply = lambda _: says(PAGE.replace("12.50", '"secret"') % "r1")
    account = rig.shadow("order_page", "/pages/r1")
    assert account.different == account.eligible
    assert account.places == {"$.total": account.different}
    assert b'"place": "$.total"' in rig.facade.said()
    assert b"secret" not in rig.facade.said()

    flags = ["--plan", str(PLAN), "--dsn", dsn, "--json"]
    assert main(["reads", "order_page", *flags]) == 1
    (told,) = json.loads(capsys.readouterr().out)["reads"]
    assert told["unexplained"] == {"$.total": account.different}
    assert main(["advance", "order_page", "--ramp", "5%", "--reason", "too early", *flags]) == 1
    assert "answers differ" in capsys.readouterr().err
    assert main(["advance", "order_page", "--ramp", "5%", "--reason", "known", "--anyway", *flags]) == 0
    assert "answers differ" in json.loads(capsys.readouterr().out)["anyway"]
    assert main(["status", "--plan", str(PLAN), "--dsn", dsn]) == 0
    assert "strangler advance order_page --ramp 25%" in capsys.readouterr().out


def test_what_legacy_itself_does_not_say_twice_is_noise(rig: ReadsRig) -> None:
    numbers = count()
    rig.legacy.reply = lambda _: says(json.dumps({"total": 1, "id": next(numbers)}))
    rig.candidate.reply = lambda _: says('{"total": 1, "id": -1}')
    account = rig.shadow("order_page", "/pages/r1")
    wait_until(lambda: rig.get("/pages/r1") and rig.account("order_page").noise)

    account = rig.settled("order_page", account.eligible)
    assert account.noise == ("$.id",)
    assert (account.different, account.same) == (0, account.eligible)


def test_a_write_that_comes_between_is_no_difference(rig: ReadsRig) -> None:
    """Legacy said 1, then a write came: the candidate says 2, and so does legacy when it is asked again."""
    rig.legacy.reply = lambda seen: says(PAGE.replace("12.50", "2" if seen.value("Strangler-Shadow") else "1"))
    rig.candidate.reply = lambda _: says(PAGE.replace("12.50", "2"))
    account = rig.shadow("order_page", "/pages/r1")
    assert (account.different, account.same) == (0, account.eligible)


def test_a_second_answer_of_another_kind_teaches_nothing_and_blinds_nobody(
    rig: ReadsRig, dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limiter counts what is asked again; then the candidate says nonsense."""
    rig.legacy.reply = lambda seen: answer(429, b"{}", JSON) if seen.value("Strangler-Shadow") else says(PAGE % "r1")
    before = rig.shadow("order_page", "/pages/r1")
    rig.candidate.reply = lambda _: answer(404, b'{"total": "?"}', JSON)
    wait_until(lambda: rig.get("/pages/r1") and rig.account("order_page").failed.get("unjudged", 0) > 2)
    after = rig.account("order_page")
    assert (after.same, after.different, after.noise) == (before.same, 0, ())
    flags = ["--plan", str(PLAN), "--dsn", dsn]
    assert main(["advance", "order_page", "--ramp", "5%", "--reason", "too early", *flags]) == 1
    assert "read(s) could not be judged" in capsys.readouterr().err

    rig.legacy.reply = lambda _: says(PAGE % "r1")
    wait_until(lambda: rig.get("/pages/r1") and rig.account("order_page").places)
    assert set(rig.account("order_page").places) == {"status"}


def test_a_body_of_which_all_is_noise_is_not_the_same(rig: ReadsRig) -> None:
    numbers = count()
    rig.legacy.reply = lambda _: says(json.dumps({"id": next(numbers)}))
    rig.candidate.reply = lambda _: says('{"id": -1}')
    rig.shadow("order_page", "/pages/r1")
    wait_until(lambda: rig.get("/pages/r1") and rig.account("order_page").failed.get("unjudged", 0) > 2)
    account = rig.account("order_page")
    assert (account.noise, account.different) == (("$.id",), 0)


def test_an_absolute_target_is_asked_as_legacy_was_asked(rig: ReadsRig) -> None:
    before = rig.shadow("order_page", "/pages/r1")
    send(rig.facade, b"GET http://front.example/pages/r9 HTTP/1.1\r\nHost: front.example\r\nConnection: close\r\n\r\n")
    rig.settled("order_page", before.eligible + 1)
    asked = [seen.target for stub in (rig.legacy, rig.candidate) for seen in stub.seen if "r9" in seen.target]
    assert set(asked) == {"/pages/r9"}
    assert len(asked) >= 2


def test_a_head_that_fits_in_no_message_is_dropped_by_name(rig: ReadsRig) -> None:
    before = rig.shadow("order_page", "/pages/r1")
    head = b"GET /pages/r1 HTTP/1.1\r\nHost: f\r\nConnection: close\r\nX-Odd: %b\r\n\r\n" % (b"\xff" * 40 * 1024)
    assert b" 200 " in send(rig.facade, head)
    assert rig.settled("order_page", before.eligible + 1).dropped == {"too_large": 1}


@pytest.mark.parametrize("name", ["X-Account", "X_Account", "X-Partner-Key", "X_Partner_Key"])
@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.RAMP, Stage.LIVE])
def test_no_stage_and_no_spelling_gives_a_caller_to_the_candidate(rig: ReadsRig, name: str, stage: Stage) -> None:
    rig.go("order_page", Stage.SHADOW)
    if stage is not Stage.SHADOW:
        rig.go("order_page", Stage.RAMP, 10_000)
    if stage is Stage.LIVE:
        rig.go("order_page", Stage.LIVE)
    rig.noticed("order_page", "/pages/r1")
    assert ask(rig.facade, "GET", "/pages/secret", fields={name: "SECRET"}).status == 200
    wait_until(lambda: any("secret" in seen.target for seen in rig.candidate.seen))
    assert not any(b"SECRET" in seen.head for seen in rig.candidate.seen)


@pytest.mark.parametrize(
    ("fields", "why"), [({"Range": "bytes=0-1"}, "conditional"), ({"If_None_Match": '"a"'}, "conditional")]
)
def test_what_cannot_be_compared_is_dropped_by_name(rig: ReadsRig, fields: dict[str, str], why: str) -> None:
    before = rig.shadow("order_page", "/pages/r1")
    rig.get("/pages/r1", **fields)
    rig.legacy.reply = lambda _: answer(200, b"x" * 70_000)
    assert len(rig.get("/pages/r1").body) == 70_000
    rig.legacy.reply = lambda _: answer(503, b"down")
    assert rig.get("/pages/r1").status == 503
    account = rig.settled("order_page", before.eligible + 3)
    assert account.dropped == {why: 1, "too_long": 1}
    assert account.failed == {"legacy": 1}


def test_a_ramp_sends_the_same_subjects_to_the_candidate_and_a_wider_one_more(rig: ReadsRig) -> None:
    rig.candidate.reply = lambda _: answer(200, b"candidate")
    rig.legacy.reply = lambda _: answer(200, b"legacy")
    rig.go("order_page", Stage.SHADOW)
    rig.go("order_page", Stage.RAMP, 5_000)
    salt = read_stages_of_reads(rig.connection)["order_page"].row.salt
    refs = [f"r{number}" for number in range(40)]
    inside = {ref for ref in refs if bucket(ref, salt) < 5_000}
    rig.noticed("order_page", f"/pages/{min(inside)}")

    assert {ref for ref in refs if rig.get(f"/pages/{ref}").body == b"candidate"} == inside
    assert all(rig.get(f"/pages/{ref}", "HEAD").status == 200 for ref in inside)
    assert rig.get(f"//pages/{min(inside)}").body == b"legacy", "what is not asked plainly stays with legacy"
    wait_until(lambda: rig.account("order_page").answered > len(inside))


def test_a_candidate_that_fails_is_counted_and_legacy_answers(rig: ReadsRig) -> None:
    rig.go("order_page", Stage.SHADOW)
    rig.go("order_page", Stage.RAMP, 10_000)
    rig.legacy.reply = lambda _: answer(200, b"legacy")
    rig.candidate.reply = lambda _: answer(200, b"candidate")
    rig.noticed("order_page", "/pages/r1")

    rig.candidate.reply = lambda _: HANG_UP
    assert rig.get("/pages/r1").body == b"legacy"
    rig.candidate.reply = lambda _: answer(500, b"oops")
    assert rig.get("/pages/r1").body == b"legacy"

    wait_until(lambda: rig.account("order_page").fell_back == {"broke": 1, "status": 1})
    assert b"candidate_failed" in rig.facade.said()


def test_a_candidate_that_breaks_off_in_its_body_has_failed(rig: ReadsRig) -> None:
    rig.go("order_page", Stage.SHADOW)
    rig.go("order_page", Stage.RAMP, 10_000)
    rig.noticed("order_page", "/pages/r1")
    rig.candidate.reply = lambda _: b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{"a'
    with pytest.raises(http.client.IncompleteRead):
        rig.get("/pages/r1")
    wait_until(lambda: rig.account("order_page").candidate_failed == 1)
    assert rig.account("order_page").refused == {"broke": 1}


def test_clients_are_sticky_by_what_names_them_and_refused_where_the_plan_says_so(rig: ReadsRig) -> None:
    rig.go("mine", Stage.SHADOW)
    rig.go("mine", Stage.RAMP, 10_000)
    rig.legacy.reply = lambda _: answer(200, b"legacy")
    rig.candidate.reply = lambda seen: answer(200, (seen.value("Cookie") or "").encode())
    rig.noticed("mine", "/mine", Cookie="session=ann")
    assert rig.get("/mine", Cookie="session=ann").body == b"session=ann"
    assert rig.get("/mine").body == b"legacy", "nobody knows whose it is"
    wait_until(lambda: rig.account("mine").not_sticky == 1)

    rig.candidate.reply = lambda _: HANG_UP
    said = rig.get("/mine", Cookie="session=ann")
    assert (said.status, said.json()["effect"]) == (502, "none")
    rig.candidate.reply = lambda _: answer(500, b"its own words")
    assert rig.get("/mine", Cookie="session=ann").body == b"its own words"
    wait_until(lambda: rig.account("mine").refused == {"broke": 1, "status": 1})


def test_a_hung_candidate_is_not_felt_and_everything_is_accounted_for(
    launch: StartFacade, rig: ReadsRig, shared_candidate: HttpStub
) -> None:
    facade = launch("--workers", "2", plan=PLAN, more={"PAGES_URL": shared_candidate.url})
    own = ReadsRig(facade, rig.legacy, shared_candidate, rig.connection)
    held = shared_candidate.held
    shared_candidate.reply = lambda _: says("{}") if held.wait(60) else HANG_UP
    own.go("order_page", Stage.SHADOW)
    own.noticed("order_page", "/pages/r1")
    for _ in range(200):
        assert own.get("/pages/r1").status == 200
    assert own.account("order_page").compared == 0

    assert facade.terminate() == 0
    account = own.account("order_page")
    assert account.eligible >= 200
    assert account.held == 0, account
    assert account.eligible == sum(account.dropped.values()) + sum(account.failed.values())
    assert set(account.failed) <= {"too_slow"}
    assert set(account.dropped) <= {"stopped", "too_old", "queue_full"}
