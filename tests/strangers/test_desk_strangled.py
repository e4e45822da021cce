"""A desk that commits first and then mails, behind a login of its own, with fewer than 70 lines of strangling."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from strangler import load_plan
from strangler.local.stack import Stack
from tests.integration.contexts import rows
from tests.strangers.running import OUTSIDE, database_url, ledger, on_path
from tests.strangers.strangled import lay_over, lines_of_strangling

pytestmark = pytest.mark.no_kafka
DESK = {"email": "ann@example.invalid", "desk": "window", "day": "2011-06-01"}
PINNED = {"Strangler-Booking-Ref": "r-1", "Strangler-Ownership": "epoch=4, mail=shadow"}
TO_NEW = {"Strangler-Booking-Ref": "r-1", "Strangler-Ownership": "epoch=4, mail=new"}
TOKEN = {"Authorization": "Bearer not-a-secret"}
LOOK_UP, HAND_BACK = "/internal/strangler/subjects/r-1", "/internal/strangler/steps/mail/subjects/r-1"
RECORDS = "SELECT version, call, state FROM strangler.seam_record ORDER BY version, call"


@dataclass(frozen=True, slots=True)
class Desk:
    """`client` has logged in; `outside_url` is the mail service's."""

    app: Any
    client: Any
    outside_url: str
    dsn: str

    def keys(self) -> list[str]:
        return [entry["key"] for entry in ledger(self.outside_url, "messages")]

    def records(self) -> list[tuple[Any, ...]]:
        return rows(self.dsn, RECORDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    lay_over("desk", folder)
    return folder


@pytest.fixture
def desk(stack: Stack, toolkit: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    outside = stack.spawn(
        f"outside-{toolkit[-8:]}",
        (sys.executable, "-m", "outside"),
        env=on_path(OUTSIDE),
        port_env="PORT",
        ready_path="/healthz",
    )
    monkeypatch.setenv("DATABASE_URL", database_url(toolkit))
    monkeypatch.setenv("OUTSIDE_URL", outside.url)
    monkeypatch.setenv("STRANGLER_INTERNAL_TOKEN", "not-a-secret")
    monkeypatch.syspath_prepend(folder)
    module, models = importlib.import_module("desk.app"), importlib.import_module("desk.models")
    app = module.create_app()
    with app.app_context():
        models.db.create_all()
    client = app.test_client()
    client.post("/login", data={"user": "ann"})
    yield Desk(app, client, outside.url, toolkit)
    importlib.import_module("desk.strangling").strangled.close()
    with app.app_context():
        models.db.engine.dispose()
    for name in [name for name in sys.modules if name.partition(".")[0] == "desk"]:
        del sys.modules[name]
    outside.terminate()


def test_what_strangling_adds_is_small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines_of_strangling("desk") <= 70
    monkeypatch.syspath_prepend(folder)
    assert list(load_plan(folder / "plan.py").contexts()) == ["mail"]


def test_each_change_is_mailed_recorded_and_told(desk: Desk) -> None:
    made = desk.client.post("/checkout", json=DESK, headers=PINNED)
    moved = desk.client.patch("/bookings/1", json={"day": "2011-06-02"}, headers=PINNED)
    cancelled = desk.client.post("/bookings/1/cancel")
    assert [one.status_code for one in (made, moved, cancelled)] == [201, 200, 200]
    assert desk.records() == [(version, 1, "done") for version in (1, 2, 3)]
    assert desk.keys() == [f"r-1:mail:{version}00" for version in (1, 2, 3)]
    told = rows(desk.dsn, "SELECT aggregate_version, type FROM outbox.outbox ORDER BY aggregate_version")
    assert told == [(1, "BookingMade"), (2, "BookingMoved"), (3, "BookingCancelled")]


def test_two_mails_for_one_change_are_two(desk: Desk) -> None:
    mail = importlib.import_module("desk.mail")
    with desk.app.app_context():
        app_module = importlib.import_module("desk.app")
        booking = app_module.Booking(email="a@example.invalid", desk="d", day="2011-06-01", total_cents=1)
        app_module.db.session.add(booking)
        app_module.strangled.created(booking, "BookingMade", app_module.payload(booking))
        app_module.db.session.commit()
        mail.send_confirmation(booking)
        mail.send_confirmation(booking)
    assert desk.keys() == ["booking:1:mail:100", "booking:1:mail:101"]
    assert desk.records() == [(1, 1, "done"), (1, 2, "done")]


def test_a_vendor_that_fails_after_the_commit_is_still_a_500(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTSIDE_URL", "http://127.0.0.1:9")
    answer = desk.client.post("/checkout", json=DESK, headers=PINNED)
    assert answer.status_code == 500
    assert rows(desk.dsn, "SELECT version FROM bookings") == [(1,)]
    assert desk.records() == [(1, 1, "failed")]


def test_a_request_that_dies_between_commit_and_mail_says_nothing_of_nothing_due(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_booking: object) -> None:
        raise RuntimeError("the process has run out of memory")

    monkeypatch.setattr(importlib.import_module("desk.app"), "send_confirmation", crash)
    assert desk.client.post("/checkout", json=DESK, headers=PINNED).status_code == 500
    assert desk.records() == [(1, 1, "failed")]


def test_the_new_sides_bookings_are_not_mailed_by_legacy(desk: Desk) -> None:
    desk.client.post("/checkout", json=DESK, headers=TO_NEW)
    assert (desk.keys(), desk.records()) == ([], [])


def test_the_toolkits_routes_do_not_ask_for_the_applications_login(desk: Desk) -> None:
    desk.client.post("/checkout", json=DESK, headers=PINNED)
    stranger = desk.app.test_client()
    assert stranger.get("/bookings/1").status_code == 401
    assert stranger.get(LOOK_UP).status_code == 401
    assert stranger.get(LOOK_UP, headers={"Authorization": "Bearer guess"}).status_code == 401
    found = stranger.get(LOOK_UP, headers=TOKEN)
    assert (found.status_code, found.headers["Strangler-Creation-Status"]) == (200, "201")
    assert found.json == {"id": 1, "desk": "window", "day": "2011-06-01", "total_cents": 2450, "status": "booked"}
    assert stranger.get("/internal/strangler/subjects/r-2", headers=TOKEN).status_code == 404
    assert stranger.post(LOOK_UP, headers=TOKEN).status_code == 405
    assert stranger.get("/strangler/status/r-1").json == {"status": "done"}
    assert stranger.get("/strangler/status/r-2").status_code == 404


def test_a_reference_that_comes_twice_is_answered_with_what_is_there(desk: Desk) -> None:
    first = desk.client.post("/checkout", json=DESK, headers=PINNED)
    again = desk.client.post("/checkout", json={**DESK, "desk": "door"}, headers=PINNED)
    assert (again.status_code, again.json) == (201, first.json)
    assert rows(desk.dsn, "SELECT count(*) FROM bookings") == [(1,)]
    assert desk.keys() == ["r-1:mail:100"]


def test_a_header_that_only_the_facade_sends_is_refused_when_it_cannot_be_read(desk: Desk) -> None:
    answer = desk.client.post("/checkout", json=DESK, headers={**PINNED, "Strangler-Ownership": "epoch=x"})
    assert answer.status_code == 400
    assert "Strangler-Ownership" in answer.json["error"]


def handed_back(desk: Desk) -> None:
    desk.client.post("/checkout", json=DESK, headers=TO_NEW)
    desk.client.post("/bookings/1/cancel", headers=TO_NEW)
    with psycopg.connect(desk.dsn) as connection:
        connection.execute("INSERT INTO strangler.ownership (subject_ref, epoch, owners) VALUES ('r-1', 4, 'epoch=4')")


def test_a_hand_back_mails_what_the_events_said_each_once(desk: Desk) -> None:
    handed_back(desk)
    stranger = desk.app.test_client()
    assert stranger.post(HAND_BACK).status_code == 401
    answer = stranger.post(HAND_BACK, headers=TOKEN)
    again = stranger.post(HAND_BACK, headers=TOKEN)
    assert (answer.json["versions"], again.json["versions"]) == ([1, 2], [])
    assert desk.keys() == ["r-1:mail:100", "r-1:mail:200"]
    texts = [entry["body"]["text"] for entry in ledger(desk.outside_url, "messages")]
    assert texts == ["Booking 1: booked, 24.50 EUR", "Booking 1: cancelled, 24.50 EUR"]
    assert rows(desk.dsn, "SELECT ownership FROM bookings") == [("epoch=4",)]
    desk.client.patch("/bookings/1", json={"day": "2011-06-02"}, headers=TO_NEW)
    assert desk.keys()[2:] == ["r-1:mail:300"], "legacy goes on with it"


def test_a_hand_back_goes_on_where_one_has_failed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    handed_back(desk)
    with monkeypatch.context() as patched:
        patched.setenv("OUTSIDE_URL", "http://127.0.0.1:9")
        assert desk.client.post(HAND_BACK, headers=TOKEN).status_code == 500
    assert desk.client.post(HAND_BACK, headers=TOKEN).json["versions"] == [1, 2]
    assert desk.keys() == ["r-1:mail:100", "r-1:mail:200"]


def test_a_hand_back_without_its_events_says_that_it_is_too_old(desk: Desk) -> None:
    handed_back(desk)
    with psycopg.connect(desk.dsn) as connection:
        connection.execute("TRUNCATE outbox.outbox")
    answer = desk.client.post(HAND_BACK, headers=TOKEN)
    assert (answer.status_code, desk.keys()) == (410, [])
    assert "no longer kept" in answer.json["error"]


def test_a_hand_back_of_what_the_new_side_still_owns_is_refused(desk: Desk) -> None:
    handed_back(desk)
    with psycopg.connect(desk.dsn) as connection:
        connection.execute("UPDATE strangler.ownership SET owners = 'epoch=4, mail=new'")
    assert desk.client.post(HAND_BACK, headers=TOKEN).status_code == 409
    assert desk.client.post(HAND_BACK.replace("mail", "post"), headers=TOKEN).status_code == 404
