"""Inside Flask: routes before any login, requests and commands as units, several subjects, a plain scoped session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from flask import Blueprint, Flask, abort, current_app, jsonify
from sqlalchemy import Column, Integer, Text
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

from strangler.flask import Strangled
from tests.integration.contexts import rows
from tests.support.callers import engine_of

TOKEN = {"Authorization": "Bearer not-a-secret"}
STATES = "SELECT subject_ref, state FROM strangler.seam_record ORDER BY subject_ref"


@dataclass(frozen=True, slots=True)
class World:
    app: Flask
    session: Any
    strangled: dict[str, Strangled]
    models: dict[str, Any]

    def make(self, name: str, note: str = "") -> Any:
        made = self.models[name](note=note)
        self.session.add(made)
        self.strangled[name].created(made, "Made", {})
        self.session.commit()
        return made


@pytest.fixture
def world(toolkit: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("STRANGLER_INTERNAL_TOKEN", "not-a-secret")
    app, base = Flask("world"), declarative_base()
    engine = engine_of(toolkit, "psycopg2")
    session = scoped_session(sessionmaker(engine))
    strangled = {name: Strangled(name) for name in ("booking", "invoice")}
    models: dict[str, Any] = {}
    app.before_request(lambda: abort(401))  # a login, registered before anything of ours
    for name, one in strangled.items():
        columns = {"id": Column(Integer, primary_key=True), "note": Column(Text)}
        models[name] = type(name, (one.Mixin, base), {"__tablename__": name, **columns})
        one.init_app(app, session, models[name], guard=lambda subject: bool(subject.note))
        one.step("mail", on=("Made",), observe=lambda *_: [])(lambda _subject, *, key: key)
    base.metadata.create_all(engine)
    yield World(app, session, strangled, models)
    session.remove()
    for one in strangled.values():
        one.close()
    engine.dispose()


def test_each_subject_is_found_at_the_same_routes_before_the_login(world: World) -> None:
    with world.app.app_context():
        world.make("booking", "window")
        world.make("invoice")
    client: Any = world.app.test_client()
    assert client.get("/anything").status_code == 401
    found = client.get("/internal/strangler/subjects/invoice:1", headers=TOKEN)
    assert (found.status_code, found.json["subject_ref"]) == (200, "invoice:1")
    assert client.get("/internal/strangler/subjects/booking:1", headers=TOKEN).json["note"] == "window"
    assert client.get("/internal/strangler/subjects/other:1", headers=TOKEN).status_code == 404
    assert client.post("/internal/strangler/steps/mail/subjects/invoice:1", headers=TOKEN).json["versions"] == []
    assert client.get("/internal/strangler/elsewhere", headers=TOKEN).status_code == 404


def test_the_guard_says_whose_subject_it_is(world: World) -> None:
    with world.app.app_context():
        world.make("booking", "window")
        world.make("booking")
    client: Any = world.app.test_client()
    assert client.get("/strangler/status/booking:1").json["note"] == "window"
    assert client.get("/strangler/status/booking:2").json == {"status": "done"}


def test_a_reference_may_have_what_a_path_would_encode(world: World) -> None:
    client: Any = world.app.test_client()
    for ref in ("booking:2024/1", "booking:50%25off"):
        with world.app.test_request_context(headers={"Strangler-Booking-Ref": ref}):
            world.make("booking", "window")
        sent = quote(ref, safe="")
        found = client.get(f"/internal/strangler/subjects/{sent}", headers=TOKEN)
        assert (found.status_code, found.json["subject_ref"]) == (200, ref)
        assert client.post(f"/internal/strangler/steps/mail/subjects/{sent}", headers=TOKEN).status_code == 200
        assert client.get(f"/strangler/status/{sent}").status_code == 200


def test_the_status_is_ours_where_the_subject_has_one_too(world: World) -> None:
    app = Flask("own status")
    told = {"status": "paid", "note": "window"}
    one, model = Strangled("booking"), world.models["booking"]
    one.init_app(app, world.session, model, answer=lambda _: told, guard=lambda _: True)
    with world.app.app_context():
        world.make("booking")
    client: Any = app.test_client()
    assert client.get("/strangler/status/booking:1").json == {"status": "done", "note": "window"}
    one.close()


def test_without_a_token_the_internal_routes_are_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRANGLER_INTERNAL_TOKEN")
    app = Flask("closed")
    world.strangled["booking"].init_app(app, world.session, world.models["booking"])
    path = "/internal/strangler/subjects/booking:1"
    assert app.test_client().get(path, headers={"Authorization": "Bearer "}).status_code == 401


def test_an_application_context_outside_of_requests_is_a_unit(world: World, toolkit: str) -> None:
    with world.app.app_context():
        world.make("booking")
        assert rows(toolkit, STATES) == []
    assert rows(toolkit, STATES) == [("booking:1", "none")]


def test_a_request_that_the_application_answers_with_a_5xx_has_failed(world: World, toolkit: str) -> None:
    world.app.before_request_funcs[None].pop()  # the login

    @world.app.post("/bookings")
    def book() -> Any:
        world.make("booking")
        return jsonify(error="the mail server is on fire"), 503

    assert world.app.test_client().post("/bookings").status_code == 503
    assert rows(toolkit, STATES) == [("booking:1", "failed")]


def test_a_subject_that_was_deleted_is_no_more(world: World, toolkit: str) -> None:
    with world.app.app_context():
        world.make("booking")
    with psycopg.connect(toolkit) as connection:
        connection.execute("DELETE FROM booking")
    path = "/internal/strangler/steps/mail/subjects/booking:1"
    assert world.app.test_client().post(path, headers=TOKEN).status_code == 404


@pytest.mark.parametrize("trap", [False, True])
@pytest.mark.parametrize(("given", "status"), [({}, 201), ({"Strangler-Ownership": "epoch=?"}, 400)])
def test_what_is_made_again_gets_its_first_answer_whoever_answers_the_errors_of_its_route(
    world: World, given: dict[str, str], status: int, trap: bool
) -> None:
    world.app.config["TRAP_HTTP_EXCEPTIONS"] = trap
    world.app.before_request_funcs[None].pop()  # the login
    desk = Blueprint("desk", __name__)
    desk.register_error_handler(Exception, lambda _error: (jsonify(error="oh no"), 500))
    desk.add_url_rule("/bookings", view_func=lambda: world.make("booking").note, methods=["POST"])
    world.app.register_blueprint(desk)
    with world.app.test_request_context(headers={"Strangler-Booking-Ref": "the-first"}):
        world.make("booking", "window")

    again = world.app.test_client().post("/bookings", headers={"Strangler-Booking-Ref": "the-first", **given})

    assert again.status_code == status, again.get_data(as_text=True)
    assert status == 400 or again.json["note"] == "window"  # type: ignore[index]


def test_what_is_made_again_inside_a_block_of_the_session_gets_its_first_answer(world: World) -> None:
    world.app.before_request_funcs[None].pop()  # the login
    world.app.teardown_appcontext(lambda _error: world.session.remove())

    @world.app.post("/bookings")
    def book() -> Any:
        with world.session.begin():
            made = world.models["booking"](note="window")
            world.session.add(made)
            world.strangled["booking"].created(made, "Made", {})
        return jsonify(note=made.note), 201

    said = {"Strangler-Booking-Ref": "the-first"}
    client: Any = world.app.test_client()
    assert [client.post("/bookings", headers=said).status_code for _ in range(2)] == [201, 201]
    assert client.post("/bookings", headers=said).json["subject_ref"] == "the-first"


def test_a_session_that_is_there_in_an_applications_context_only_serves(world: World) -> None:
    class Extension:
        """As sqlalchemy-helpers has it."""

        @property
        def session(self) -> Any:
            assert current_app.name == "later"  # raises outside of a context
            return world.session()

    app = Flask("later")
    one = world.strangled["booking"]
    one.init_app(app, Extension(), world.models["booking"], guard=lambda _: True)
    with app.app_context():
        world.make("booking", "window")
    found: Any = app.test_client().get("/strangler/status/booking:1")
    assert found.json["note"] == "window"
