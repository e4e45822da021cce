"""The vendors' HTTP surface: desks, look-ups by key, the ledgers, and knobs behind a token."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn, assert_never

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from legacy_app.vendors.answers import DESKS, lacking
from legacy_app.vendors.book import Book, Fate
from legacy_app.vendors.knobs import BadKnob, Knobs
from legacy_app.vendors.ledger import Entry, Ledger, OtherBody

MAX_BODY_BYTES = 64 * 1024
MAX_KEY = 255
MAX_PAGE = 1_000
FOR_EVER_S = 1e9

Answer = tuple[Response, int]


class VendorRoutes:
    """The routes over the books."""

    def __init__(self, books: Mapping[str, Book], admin_token: str) -> None:
        self._books, self._admin_token = books, admin_token

    def ask(self, book: str) -> Answer:
        """Do the effect once for each Idempotency-Key."""
        desk, key, body = DESKS[book], request.headers.get("Idempotency-Key", ""), _body()
        if not 0 < len(key) <= MAX_KEY:
            return _problem(400, f"an Idempotency-Key of 1 to {MAX_KEY} characters is needed")
        wrong = lacking(desk, body)
        if wrong is not None:
            return _problem(400, wrong)
        try:
            served = self._books[book].serve(key, body)
        except OtherBody:
            return _problem(422, "the Idempotency-Key was used before with another body")
        if served.entry is not None and served.fate is not Fate.EFFECT_THEN_TIMEOUT:
            return self._answer(book, served.entry), desk.status
        return _failure(served.fate)

    def find(self, book: str, key: str) -> Answer:
        """What was done with a key: 404 nothing, 410 it was given back."""
        entry = self._books[book].find(key)
        if entry is not None:
            return self._answer(book, entry), 200
        given_back = self._books[book].done(key) is not None
        return _problem(410, "it was given back") if given_back else _problem(404, "nothing with that key")

    def ledger(self, book: str) -> Answer:
        """A page of what was done, and answered. Ask again with `after` = `next` until it holds no entries."""
        after = request.args.get("after", 0, int)
        limit = min(max(request.args.get("limit", 100, int), 1), MAX_PAGE)
        entries = self._book(book).page(after, limit)
        page = [{**asdict(entry), "answer": self._answered(book, entry)} for entry in entries]
        return jsonify(entries=page, next=entries[-1].seq if entries else after), 200

    def show_knobs(self, book: str) -> Answer:
        self._authorise()
        return jsonify(asdict(self._book(book).knobs)), 200

    def turn_knobs(self, book: str) -> Answer:
        self._authorise()
        try:
            return jsonify(asdict(self._book(book).turn(_body()))), 200
        except BadKnob as error:
            return _problem(400, str(error))

    def forget(self, book: str, key: str) -> Answer:
        self._authorise()
        return jsonify(forgotten=key), 200 if self._book(book).forget(key) else 404

    def _answer(self, book: str, entry: Entry) -> Response:
        return jsonify(self._answered(book, entry))

    def _answered(self, book: str, entry: Entry) -> dict[str, Any]:
        desk = DESKS[book]
        return desk.answer(entry, self._books[desk.gives_back].done(entry.key) if desk.gives_back else None)

    def _book(self, name: str) -> Book:
        return self._books[name] if name in self._books else _refuse(404, f"no book; known: {', '.join(DESKS)}")

    def _authorise(self) -> None:
        given = request.headers.get("Authorization", "").encode()
        if not self._admin_token or not hmac.compare_digest(given, f"Bearer {self._admin_token}".encode()):
            _refuse(401, "this route needs the bearer token of VENDORS_ADMIN_TOKEN")


def create_vendors(folder: Path, admin_token: str) -> Flask:
    """The application over the ledgers in `folder`; one process at a time may have them."""
    books = _books(folder)
    app = Flask("vendors")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    routes = VendorRoutes(books, admin_token)
    for name, desk in DESKS.items():
        app.add_url_rule(desk.path, name, routes.ask, methods=["POST"], defaults={"book": name})
        app.add_url_rule(
            f"{desk.path}/<path:key>", f"find_{name}", routes.find, methods=["GET"], defaults={"book": name}
        )
    app.add_url_rule("/ledger/<book>/<path:key>", view_func=routes.forget, methods=["DELETE"])
    app.add_url_rule("/ledger/<book>", view_func=routes.ledger, methods=["GET"])
    app.add_url_rule("/knobs/<book>", view_func=routes.show_knobs, methods=["GET"])
    app.add_url_rule("/knobs/<book>", view_func=routes.turn_knobs, methods=["PUT"])
    app.add_url_rule("/healthz", "healthz", lambda: jsonify(status="ok"))
    app.register_error_handler(HTTPException, lambda error: _problem(error.code or 500, error.description or ""))
    return app


def _books(folder: Path) -> dict[str, Book]:
    """A refund closes its charge's key for ever: both books have one lock."""
    ledgers = {name: Ledger(folder / f"{name}.jsonl", time.time) for name in DESKS}
    books = {name: Book(ledger, time.time, time.sleep) for name, ledger in ledgers.items()}
    lock, refunds = threading.Lock(), ledgers["refunds"]
    books["refunds"] = Book(refunds, time.time, time.sleep, knobs=Knobs(key_ttl_s=FOR_EVER_S), lock=lock)
    books["payments"] = Book(
        ledgers["payments"], time.time, time.sleep, lock=lock, closed=lambda key: refunds.find(key) is not None
    )
    return books


def _body() -> dict[str, Any]:
    body = request.get_json(force=True)
    return body if isinstance(body, dict) else _refuse(400, "the body is not a JSON object")


def _failure(fate: Fate) -> Answer:
    match fate:
        case Fate.LIMITED:
            answer, status = _problem(429, "too many requests")
            answer.headers["Retry-After"] = "1"
            return answer, status
        case Fate.HANG | Fate.EFFECT_THEN_TIMEOUT:
            return _problem(504, "no answer in time; it may have been done")
        case Fate.ERROR:
            return _problem(503, "out of order; nothing was done")
        case Fate.DECLINED:
            return _problem(402, "the card was declined")
        case Fate.CLOSED:
            return _problem(410, "the key was given back: it charges nobody any more")
        case Fate.FINE | Fate.SLOW | Fate.EFFECT_THEN_SLOW:
            raise AssertionError(f"{fate} always has an entry")
        case _:
            assert_never(fate)


def _problem(status: int, reason: str) -> Answer:
    return jsonify(error=reason), status


def _refuse(status: int, reason: str) -> NoReturn:
    abort(status, reason)
