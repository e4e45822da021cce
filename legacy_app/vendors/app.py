"""The vendors' HTTP surface: three desks, a look-up of mails, the ledgers, and knobs behind a token."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn, assert_never

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from legacy_app.vendors.answers import DESKS, lacking
from legacy_app.vendors.book import Book, Fate
from legacy_app.vendors.knobs import BadKnob
from legacy_app.vendors.ledger import Ledger, OtherBody

MAX_BODY_BYTES = 64 * 1024
MAX_KEY = 255
MAX_PAGE = 1_000

Answer = tuple[Response, int]


class VendorRoutes:
    """The routes over the three books."""

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
            return jsonify(desk.answer(served.entry)), desk.status
        return _failure(served.fate)

    def find_mail(self, key: str) -> Answer:
        entry = self._books["mail"].find(key)
        return _problem(404, "no mail with that key") if entry is None else (jsonify(DESKS["mail"].answer(entry)), 200)

    def ledger(self, book: str) -> Answer:
        """A page of what was done. Ask again with `after` = `next` until it holds no entries."""
        after = request.args.get("after", 0, int)
        limit = min(max(request.args.get("limit", 100, int), 1), MAX_PAGE)
        entries = self._book(book).page(after, limit)
        return jsonify(entries=[asdict(entry) for entry in entries], next=entries[-1].seq if entries else after), 200

    def show_knobs(self, book: str) -> Answer:
        self._authorise()
        return jsonify(asdict(self._book(book).knobs)), 200

    def turn_knobs(self, book: str) -> Answer:
        self._authorise()
        try:
            return jsonify(asdict(self._book(book).turn(_body()))), 200
        except BadKnob as error:
            return _problem(400, str(error))

    def forget_mail(self, key: str) -> Answer:
        self._authorise()
        return jsonify(forgotten=key), 200 if self._books["mail"].forget(key) else 404

    def _book(self, name: str) -> Book:
        return self._books[name] if name in self._books else _refuse(404, f"no book; known: {', '.join(DESKS)}")

    def _authorise(self) -> None:
        given = request.headers.get("Authorization", "").encode()
        if not self._admin_token or not hmac.compare_digest(given, f"Bearer {self._admin_token}".encode()):
            _refuse(401, "this route needs the bearer token of VENDORS_ADMIN_TOKEN")


def create_vendors(folder: Path, admin_token: str) -> Flask:
    """The application over the ledgers in `folder`; one process at a time may have them."""
    books = {name: Book(Ledger(folder / f"{name}.jsonl", time.time), time.time, time.sleep) for name in DESKS}
    app = Flask("vendors")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    routes = VendorRoutes(books, admin_token)
    for name, desk in DESKS.items():
        app.add_url_rule(desk.path, name, routes.ask, methods=["POST"], defaults={"book": name})
    app.add_url_rule("/mail/messages/<path:key>", view_func=routes.find_mail, methods=["GET"])
    app.add_url_rule("/ledger/mail/<path:key>", view_func=routes.forget_mail, methods=["DELETE"])
    app.add_url_rule("/ledger/<book>", view_func=routes.ledger, methods=["GET"])
    app.add_url_rule("/knobs/<book>", view_func=routes.show_knobs, methods=["GET"])
    app.add_url_rule("/knobs/<book>", view_func=routes.turn_knobs, methods=["PUT"])
    app.add_url_rule("/healthz", "healthz", lambda: jsonify(status="ok"))
    app.register_error_handler(HTTPException, lambda error: _problem(error.code or 500, error.description or ""))
    return app


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
        case Fate.FINE | Fate.SLOW | Fate.EFFECT_THEN_SLOW:
            raise AssertionError(f"{fate} always has an entry")
        case _:
            assert_never(fate)


def _problem(status: int, reason: str) -> Answer:
    return jsonify(error=reason), status


def _refuse(status: int, reason: str) -> NoReturn:
    abort(status, reason)
