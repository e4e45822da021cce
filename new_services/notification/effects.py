"""The mail vendor's client: one key per mail for ever, every call with a timeout, every answer understood."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from urllib.parse import quote

import requests

from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind

# Statuses of the 4xx family that say "not now": timeout, conflict with a call under way, too early, too many.
TRY_AGAIN = frozenset({408, 409, 425, 429})
DAY_S = 86_400.0


class MailVendor:
    """Sends mails by HTTP and looks them up. Safe across threads: each has its own session and its connections.

    `key_lifetime_s` is what the vendor promises to remember a key for.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0, key_lifetime_s: float = DAY_S) -> None:
        self._url, self._timeout_s, self._key_lifetime_s = url.rstrip("/"), timeout_s, key_lifetime_s
        self._local = threading.local()

    @property
    def timeout_s(self) -> float:
        return 2 * self._timeout_s  # connecting and reading have one each

    @property
    def key_lifetime_s(self) -> float:
        return self._key_lifetime_s

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:
        """Ask for a mail. 2xx is done; a timeout or 5xx says nothing; any other 4xx is a refusal."""
        if operation != "send":
            return Answer(AnswerKind.REFUSED, {"reason": f"mail has no operation {operation!r}"})
        return self._ask("POST", "/mail/messages", json=dict(body), headers={"Idempotency-Key": key})

    def look_up(self, key: str) -> Answer:
        """Ask whether a mail with that key was ever accepted; sends nothing."""
        answer = self._ask("GET", f"/mail/messages/{quote(key, safe='')}")
        if answer.kind is not AnswerKind.REFUSED:
            return answer
        absent = answer.detail["status"] == 404  # any other refusal is of the question, not of the mail
        return Answer(AnswerKind.ABSENT if absent else AnswerKind.UNKNOWN, answer.detail)

    def _ask(self, method: str, path: str, *, json: Json = None, headers: Mapping[str, str] | None = None) -> Answer:
        try:
            response = self._session().request(
                method, self._url + path, json=json, headers=headers, timeout=self._timeout_s, allow_redirects=False
            )
        except requests.RequestException as error:
            return Answer(AnswerKind.UNKNOWN, {"reason": type(error).__name__})
        return Answer(_kind_of(response.status_code), {"status": response.status_code})

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # no proxy of the environment stands between us and the vendor
        return session


def _kind_of(status: int) -> AnswerKind:
    if 200 <= status < 300:
        return AnswerKind.DONE
    if 400 <= status < 500 and status not in TRY_AGAIN:
        return AnswerKind.REFUSED
    return AnswerKind.UNKNOWN
