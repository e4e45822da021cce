"""A vendor behind HTTP, asked: one key per effect, every call with a timeout, every answer understood."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from urllib.parse import quote

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from strangler.service.http_vendor import HttpVendor
from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind

# Statuses of the 4xx family that say "not now": timeout, conflict with a call under way, too early, too many.
TRY_AGAIN = frozenset({408, 409, 425, 429})
ABSENT, GONE = 404, 410
REASON_CHARACTERS = 200


class HttpClient:
    """A `Vendor`. Safe across threads: each has its own session and its connections."""

    def __init__(self, url: str, vendor: HttpVendor) -> None:
        self._url, self._vendor, self._keeps = url.rstrip("/"), vendor, vendor.kept()
        self._local = threading.local()

    @property
    def timeout_s(self) -> float:
        return 2 * self._vendor.timeout_s  # connecting and reading have one each

    @property
    def key_lifetime_s(self) -> float:
        return self._vendor.key_lifetime_s

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:  # noqa: ARG002 - it has one
        """Ask for the effect."""
        (method, path), _ = self._vendor.requests()
        return self._ask(method, path, json=dict(body), headers={"Idempotency-Key": self._key(key)})

    def look_up(self, key: str, operation: str) -> Answer:  # noqa: ARG002
        """Ask whether the effect of that key was ever done; does nothing. What is gone was done, and taken back."""
        _, (method, path) = self._vendor.requests()
        if not path:
            return Answer(AnswerKind.UNSETTLED, {"reason": "the vendor cannot be asked what it was sent"})
        answer = self._ask(method, path.replace("{key}", quote(self._key(key), safe="")))
        if answer.kind is not AnswerKind.REFUSED or answer.detail["status"] == GONE:
            return answer
        absent = answer.detail["status"] == ABSENT  # any other refusal is of the question, not of the effect
        return Answer(AnswerKind.ABSENT if absent else AnswerKind.UNKNOWN, answer.detail)

    def _key(self, key: str) -> str:
        return key if self._vendor.key is None else self._vendor.key(key)

    def _ask(self, method: str, path: str, *, json: Json = None, headers: Mapping[str, str] | None = None) -> Answer:
        try:
            response = self._session().request(
                method,
                self._url + path,
                json=json,
                headers=headers,
                timeout=self._vendor.timeout_s,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            unsent = not self._vendor.key_lifetime_s and _is_no_connection(error)
            return Answer(AnswerKind.NOT_SENT if unsent else AnswerKind.UNKNOWN, {"reason": type(error).__name__})
        return self._understood(response)

    def _understood(self, response: requests.Response) -> Answer:
        kind, status = _kind_of(response.status_code), {"status": response.status_code}
        if not self._keeps:
            return Answer(kind, status, patience_s(response))
        body = _object(response)
        if kind is AnswerKind.REFUSED and isinstance(body.get("error"), str):
            return Answer(kind, {**status, "reason": body["error"][:REASON_CHARACTERS]})
        if kind is not AnswerKind.DONE:
            return Answer(kind, status, patience_s(response))
        kept = {name: body.get(name) for name in self._keeps}
        unread = [
            name for name, wanted in self._keeps.items() if kept[name] is None or not isinstance(kept[name], wanted)
        ]
        if unread:  # it may have been done: what was, can be asked again with the same key
            return Answer(AnswerKind.UNKNOWN, {**status, "reason": f"the answer lacks {', '.join(unread)}"})
        return Answer(kind, {**status, **kept})

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # no proxy of the environment stands between us and the vendor
        return session


def _is_no_connection(error: requests.RequestException) -> bool:
    """None was made, so not a byte of the request has left. A kept-alive one that breaks is none of these."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError | ConnectTimeoutError)


def _object(response: requests.Response) -> dict[str, Json]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def patience_s(response: requests.Response) -> float | None:
    """What 429 or 503 ask for, in seconds; a second where they do not say, or say it as a date."""
    if response.status_code not in (429, 503):
        return None
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else 1.0


def _kind_of(status: int) -> AnswerKind:
    if 200 <= status < 300:
        return AnswerKind.DONE
    if 400 <= status < 500 and status not in TRY_AGAIN:
        return AnswerKind.REFUSED
    return AnswerKind.UNKNOWN
