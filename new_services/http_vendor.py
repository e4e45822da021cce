"""A vendor behind HTTP: one key per effect for ever, every call with a timeout, every answer understood."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import requests

from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind

# Statuses of the 4xx family that say "not now": timeout, conflict with a call under way, too early, too many.
TRY_AGAIN = frozenset({408, 409, 425, 429})
ABSENT, GONE = 404, 410
DAY_S = 86_400.0
REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Desk:
    """What a vendor does for us, and where. `keeps`: the fields of its answer that we need, by type."""

    vendor: str
    operation: str
    path: str
    keeps: Mapping[str, type] = field(default_factory=dict)


class HttpVendor:
    """Asks at one desk and looks up what it did. Safe across threads: each has its own session and its connections.

    2xx is done; a timeout or 5xx says nothing; any other 4xx is a refusal. `key_lifetime_s` is what the vendor
    promises to remember a key for.
    """

    def __init__(self, url: str, desk: Desk, *, timeout_s: float = 5.0, key_lifetime_s: float = DAY_S) -> None:
        self._url, self._desk = url.rstrip("/"), desk
        self._timeout_s, self._key_lifetime_s = timeout_s, key_lifetime_s
        self._local = threading.local()

    @property
    def timeout_s(self) -> float:
        return 2 * self._timeout_s  # connecting and reading have one each

    @property
    def key_lifetime_s(self) -> float:
        return self._key_lifetime_s

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:
        """Ask for the effect."""
        if operation != self._desk.operation:
            return Answer(AnswerKind.REFUSED, {"reason": f"{self._desk.vendor} has no operation {operation!r}"})
        return self._ask("POST", self._desk.path, json=dict(body), headers={"Idempotency-Key": key})

    def look_up(self, key: str) -> Answer:
        """Ask whether the effect of that key was ever done; does nothing. What is gone was done, and taken back."""
        answer = self._ask("GET", f"{self._desk.path}/{quote(key, safe='')}")
        if answer.kind is not AnswerKind.REFUSED or answer.detail["status"] == GONE:
            return answer
        absent = answer.detail["status"] == ABSENT  # any other refusal is of the question, not of the effect
        return Answer(AnswerKind.ABSENT if absent else AnswerKind.UNKNOWN, answer.detail)

    def _ask(self, method: str, path: str, *, json: Json = None, headers: Mapping[str, str] | None = None) -> Answer:
        try:
            response = self._session().request(
                method, self._url + path, json=json, headers=headers, timeout=self._timeout_s, allow_redirects=False
            )
        except requests.RequestException as error:
            return Answer(AnswerKind.UNKNOWN, {"reason": type(error).__name__})
        return self._understood(response)

    def _understood(self, response: requests.Response) -> Answer:
        kind, status = _kind_of(response.status_code), {"status": response.status_code}
        if not self._desk.keeps:
            return Answer(kind, status, patience_s(response))
        body = _object(response)
        if kind is AnswerKind.REFUSED and isinstance(body.get("error"), str):
            return Answer(kind, {**status, "reason": body["error"][:REASON_CHARACTERS]})
        if kind is not AnswerKind.DONE:
            return Answer(kind, status, patience_s(response))
        kept = {name: body.get(name) for name in self._desk.keeps}
        unread = [name for name, wanted in self._desk.keeps.items() if not isinstance(kept[name], wanted)]
        if unread:  # it may have been done: what was, can be asked again with the same key
            return Answer(AnswerKind.UNKNOWN, {**status, "reason": f"the answer lacks {', '.join(unread)}"})
        return Answer(kind, {**status, **kept})

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # no proxy of the environment stands between us and the vendor
        return session


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
